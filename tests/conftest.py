"""What every test may ask for beside what the toolkit's own pytest plugin has.

Receives the broker that all tests share from there, hands out one that may be stopped and killed,
and one with a port for TLS.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from uuid import uuid4

import pytest

from tests.certificates import Authority
from toolkit.testing import ServiceHarness
from toolkit.testing.broker import Broker, BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import INSTALLING, OWN_WAYS, ways_with_tls
from toolkit.testing.broker.found import url_of_virtual_host
from toolkit.testing.broker.search import Way
from toolkit.testing.broker.tls import TlsListener

pytest_plugins = ["pytester", "tests.conformance.tally"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all users of such a broker in one worker, or each worker would start one."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "private_broker" in names:
            item.add_marker(pytest.mark.xdist_group("private_broker"))
            item.add_marker(pytest.mark.private_broker)
        if "authority" in names:
            item.add_marker(pytest.mark.xdist_group("authority"))


@pytest.fixture(params=["memory", "rabbitmq"])
def harness(request: pytest.FixtureRequest) -> Callable[..., ServiceHarness]:
    """The plugin's, on either broker: what holds in memory holds on RabbitMQ, unchanged."""
    on_rabbitmq = request.param == "rabbitmq"
    url = request.getfixturevalue("amqp_url") if on_rabbitmq else None
    return partial(ServiceHarness, broker=url)


@pytest.fixture(scope="session")
def private_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A RabbitMQ that may be stopped, killed, restarted and commanded while a test has it."""
    # With one test at a time, the shared broker is nobody else's meanwhile.
    shared: Broker = request.getfixturevalue("rabbitmq")
    if shared.is_ours:
        yield shared
        return
    with _started(request.config, OWN_WAYS) as broker:
        yield broker


@contextmanager
def _started(config: pytest.Config, ways: Mapping[str, Way]) -> Iterator[Broker]:
    """A broker of our own, or the end of the test."""
    may_install = config.getoption("--install-broker")
    allowed = [(name, way) for name, way in ways.items() if name != INSTALLING or may_install]
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(find_broker(print, ways=allowed))
        except BrokerNotFoundError as missing:
            if config.option.require_broker:
                raise
            pytest.skip(str(missing))
        yield broker


@pytest.fixture
def private_amqp_url(private_broker: Broker) -> Iterator[str]:
    """The URL of a virtual host that only this test uses, on the broker that may be stopped."""
    with private_broker.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whose certificates the broker shows, and takes."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_broker(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Broker]:
    """A RabbitMQ with a port for TLS. Its certificate is for 127.0.0.1, and for no other name."""
    with _secured(request.config, authority) as broker:
        yield broker


@pytest.fixture(scope="session")
def strict_tls_broker(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Broker]:
    """One that refuses clients without a certificate."""
    with _secured(request.config, authority, is_strict=True) as broker:
        yield broker


@contextmanager
def _secured(
    config: pytest.Config, authority: Authority, *, is_strict: bool = False
) -> Iterator[Broker]:
    cert, key = authority.issue("127.0.0.1")
    listener = TlsListener(ca=authority.path, cert=cert, key=key, is_strict=is_strict)
    with _started(config, ways_with_tls(listener)) as broker:
        yield broker


@pytest.fixture
def tls_url(tls_broker: Broker) -> Iterator[str]:
    """The amqps:// URL of a virtual host that only this test uses."""
    name = f"test-{uuid4().hex[:12]}"
    assert tls_broker.tls_url is not None
    with tls_broker.virtual_host(name):
        yield url_of_virtual_host(tls_broker.tls_url, name)
