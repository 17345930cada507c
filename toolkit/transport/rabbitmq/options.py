"""What the transport is told, and addresses that can be shown to people.

Receives values from the service's settings, hands them to connections and publishers.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from yarl import URL

from toolkit.topology.declarations import TopologyMode
from toolkit.transport.rabbitmq.tls import Tls

_TLS_FILES = {"cafile": "CA", "capath": "CA", "cadata": "CA", "certfile": "CERT", "keyfile": "KEY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitOptions:
    """How to reach the broker, and how to behave towards it.

    `urls` are the nodes of one cluster; `tls` is for those with amqps://. `connect_timeout` is
    the deadline for the first connection; later ones are tried for ever. `lane` is how messages
    travel between the engine and the socket: past aio-pika, or through it.
    """

    urls: tuple[str, ...] = field(repr=False)  # with their passwords
    service: str
    tls: Tls = field(default_factory=Tls)
    heartbeat: timedelta = timedelta(seconds=10)
    connect_timeout: timedelta = timedelta(seconds=30)
    topology: TopologyMode = "declare"
    lane: Literal["fast", "plain"] = "fast"


def redacted(url: str | URL) -> str:
    """An address without its password and without its query, which can hold secrets too."""
    parsed = URL(url)
    if parsed.password:
        parsed = parsed.with_password("***")
    return str(parsed.with_query(None).with_fragment(None))


def address_problem(url: str) -> str | None:
    """What is wrong with an AMQP URL, in a sentence that doesn't repeat it; None if nothing."""
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        return "is not a URL; use amqp://user:password@host:5672/virtual-host"
    if parsed.fragment or "#" in url:
        return "has a '#' in it; write %23 for one in a password"
    if parsed.scheme not in ("amqp", "amqps"):
        return f"begins with '{parsed.scheme}://'; use amqp://, amqps:// or memory://"
    if not parsed.host:
        return "names no host; use amqp://user:password@host:5672/virtual-host"
    if port == 0:
        return "has port 0"
    return _query_problem(parsed)


def _query_problem(url: URL) -> str | None:
    """The library takes these from an address; here there is one place for them, and no way out of
    verifying.
    """
    if "no_verify_ssl" in url.query:
        return (
            "has 'no_verify_ssl' in it, but a broker's certificate is always verified; name the "
            "file of its CA in TOOLKIT_TLS_CA"
        )
    for name, setting in _TLS_FILES.items():
        if name in url.query:
            return f"has '{name}' in it; name the file in TOOLKIT_TLS_{setting}"
    return None
