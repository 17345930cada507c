"""Who comes in: the greeting, the password, what both sides agree on, and the virtual host.

Receives a client's first methods, hands a session the answers, and what it has to know of the
client (AMQP 0-9-1, section 2.2.4).
"""

import platform
from typing import Any

from pamqp.base import Frame
from pamqp.commands import Connection

from toolkit.embedded.frame import FRAME_MAX, FRAME_MIN, Code, Fault
from toolkit.topology.declarations import Version
from toolkit.transport.memory.broker import USER
from toolkit.transport.memory.refusal import VIRTUAL_HOST

PASSWORD = "guest"  # noqa: S105 - as every RabbitMQ has it, for connections from its own machine
CHANNEL_MAX = 2047
HEARTBEAT = 60  # seconds, unless the client wants another

_CAPABILITIES = (
    "authentication_failure_close",
    "basic.nack",
    "consumer_cancel_notify",
    "exchange_exchange_bindings",
    "per_consumer_qos",
    "publisher_confirms",
)


class Handshake:
    """Over once a virtual host is open."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._expected: type[Frame] | None = Connection.StartOk
        self.service = ""
        """The first word of the connection's name: our services put theirs there."""
        self.hears_cancels = False
        self.frame_max = FRAME_MAX
        self.channel_max = CHANNEL_MAX
        self.heartbeat = 0

    @property
    def is_over(self) -> bool:
        """Whether the client is in."""
        return self._expected is None

    def greeting(self) -> Frame:
        """What is said first."""
        properties: dict[str, Any] = {
            "product": "broker in memory, as RabbitMQ",
            "version": f"{self._version[0]}.{self._version[1]}.0",
            "information": "the toolkit's broker in memory; it behaves as RabbitMQ does",
            "platform": f"Python {platform.python_version()}",
            "cluster_name": "toolkit@memory",
            "capabilities": dict.fromkeys(_CAPABILITIES, True),
        }
        return Connection.Start(server_properties=properties)

    def take(self, method: Frame) -> Frame | None:
        """The answer to the client's next method. Raises `Fault` where the client can't come in."""
        if self._expected is None or not isinstance(method, self._expected):
            raise Fault(Code.COMMAND_INVALID, f"{method.name} is out of turn")
        match method:
            case Connection.StartOk():
                self._check(method)
                self._expected = Connection.TuneOk
                return Connection.Tune(CHANNEL_MAX, FRAME_MAX, HEARTBEAT)
            case Connection.TuneOk():
                self._agree(method)
                self._expected = Connection.Open
                return None
            case Connection.Open():
                if method.virtual_host != VIRTUAL_HOST:
                    raise Fault(Code.NOT_ALLOWED, f"vhost {method.virtual_host} not found")
                self._expected = None
        return Connection.OpenOk()

    def _check(self, method: Connection.StartOk) -> None:
        """Section 3.2.3 of the specification's SASL: PLAIN is nothing, the user, the password."""
        if method.mechanism != "PLAIN" or method.response != f"\0{USER}\0{PASSWORD}":
            raise Fault(
                Code.ACCESS_REFUSED,
                f"Login was refused using authentication mechanism {method.mechanism}. "
                f"There is one user, '{USER}', with the password '{PASSWORD}'.",
            )
        properties: dict[str, Any] = method.client_properties
        capabilities = properties.get("capabilities")
        if isinstance(capabilities, dict):
            self.hears_cancels = capabilities.get("consumer_cancel_notify") is True
        self.service = str(properties.get("connection_name", "")).partition(" ")[0]

    def _agree(self, method: Connection.TuneOk) -> None:
        """Zero is "no limit of mine" for the first two, and "none" for the heartbeat."""
        self.channel_max = method.channel_max or CHANNEL_MAX
        self.frame_max = method.frame_max or FRAME_MAX
        self.heartbeat = method.heartbeat
        if not FRAME_MIN <= self.frame_max <= FRAME_MAX:
            raise Fault(
                Code.NOT_ALLOWED,
                f"frame_max {self.frame_max} is not between {FRAME_MIN} and {FRAME_MAX}",
            )
        if self.channel_max > CHANNEL_MAX:
            raise Fault(Code.NOT_ALLOWED, f"channel_max {self.channel_max} is over {CHANNEL_MAX}")
