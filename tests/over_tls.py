"""The tests that talk to a RabbitMQ, over TLS.

Receives pytest's arguments, starts a broker whose certificate comes from an authority of our own,
and hands both to pytest in the environment: to OpenSSL the authority is the only one there is, so
everything that connects, plain clients included, verifies certificate and host name.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.certificates import Authority
from toolkit.testing.broker import BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import DOCKER, HERE, INSTALLING, ways_with_tls
from toolkit.testing.broker.tls import TlsListener

_TESTS = ("tests/hostile", "tests/conformance", "tests/samples", "tests/test_readme.py")
_NOT_OVER_TLS = "not private_broker and not slow and not reads_the_wire"
_WAYS = {"--broker=docker": [DOCKER], "--broker=local": [HERE, INSTALLING]}


def main(arguments: list[str]) -> int:
    """Returns pytest's exit code. `--broker=docker` or `local` chooses between brokers."""
    chosen = next((way for way in arguments if way in _WAYS), None)
    names = _WAYS[chosen] if chosen else [HERE, DOCKER, INSTALLING]
    if "--install-broker" not in arguments:
        names = [name for name in names if name != INSTALLING]
    passed_on = [argument for argument in arguments if argument != chosen]
    tests = [] if any(argument.startswith("tests") for argument in passed_on) else _TESTS
    with TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        shown = authority.issue("127.0.0.1", "localhost")
        ways = ways_with_tls(TlsListener(ca=authority.path, cert=shown.cert, key=shown.key))
        try:
            with find_broker(print, ways=[(name, ways[name]) for name in names]) as broker:
                assert broker.tls_url is not None
                environment = {
                    "SSL_CERT_FILE": str(authority.path),
                    "TOOLKIT_TEST_AMQP_URL": broker.tls_url,
                    "TOOLKIT_MANAGEMENT_URL": broker.management_url,
                }
                command = [sys.executable, "-m", "pytest", "-m", _NOT_OVER_TLS, *passed_on, *tests]
                return subprocess.run(command, env=os.environ | environment, check=False).returncode
        except BrokerNotFoundError as missing:
            sys.stderr.write(f"{missing}\n")
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
