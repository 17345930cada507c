"""What the unit tests of the memory broker share: a broker on a clock of its own, and short words.

Receives letters, hands back bodies.
"""

from datetime import timedelta
from typing import Any

from toolkit.messages.envelope import Envelope
from toolkit.topology.declarations import Version
from toolkit.transport.memory import Fate, MemoryBroker, VirtualClock
from toolkit.transport.memory.channel import Channel, TaggedDelivery
from toolkit.transport.memory.routing import Destination

SECOND = timedelta(seconds=1)


class Bench:
    """A broker, its clock, and one channel."""

    def __init__(self, version: Version = (4, 0)) -> None:
        self.clock = VirtualClock()
        self.broker = MemoryBroker(version=version, clock=self.clock)
        self.channel = Channel(self.broker, service="shop")

    def queue(self, name: str = "q", kind: str = "quorum", **arguments: Any) -> None:
        """Declares a queue; `max_length` is `x-max-length`."""
        named = {"x-" + key.replace("_", "-"): value for key, value in arguments.items()}
        self.broker.declare_queue(name, arguments={"x-queue-type": kind, **named})

    def bind(self, source: str, queue: str, key: str = "") -> None:
        """Binds a queue."""
        self.broker.bind(source, Destination("queue", queue), key)

    def publish(
        self, bodies: str = "m", queue: str = "q", exchange: str = "", **more: Any
    ) -> list[Fate]:
        """One message for each letter."""
        return [
            self.channel.publish(Envelope(body.encode(), **more), exchange, queue)
            for body in bodies
        ]

    def get(self, queue: str = "q") -> TaggedDelivery:
        """The next message, which has to be there."""
        found = self.channel.get(queue)
        assert found is not None
        return found

    def drain(self, queue: str = "q") -> str:
        """All bodies, acked."""
        bodies = ""
        while (found := self.channel.get(queue)) is not None:
            bodies += found.envelope.body.decode()
            self.channel.ack(found.tag)
        return bodies

    def ready(self, queue: str = "q") -> int:
        """How many messages are ready."""
        return self.broker.queue(queue).ready

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        self.clock.jump(timedelta(seconds=seconds))
