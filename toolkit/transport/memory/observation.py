"""What the broker tells whoever listens, as frozen values.

Made by queues and the broker, only while somebody listens. Envelopes are the broker's own: look
at them, don't change them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from toolkit.messages.envelope import Envelope
from toolkit.transport.memory.death import Reason
from toolkit.transport.memory.message import Message

Mark = Literal["acked", "rejected", "given back", "dead-lettered", "lost"]
"""What became of a delivery: the port's three marks, a reject without requeue, or nothing
because its channel has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something that happened to one message."""

    at: datetime
    envelope: Envelope

    @property
    def message_id(self) -> str | None:
        """The message's id."""
        return self.envelope.message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Observation):
    """The broker took it, for these queues, and confirmed."""

    service: str
    exchange: str
    routing_key: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Observation):
    """No queue was bound that wants it."""

    service: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Observation):
    """The broker answered no."""

    service: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Observation):
    """It was handed to a consumer. `message` is what `MemoryBroker.redeliver` takes."""

    queue: str
    service: str
    earlier_deliveries: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Observation):
    """A consumer is done with it, or has lost it."""

    queue: str
    service: str
    mark: Mark
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Observation):
    """Its time in this queue was up."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered(Observation):
    """The broker moved it; with no `queues` it is gone, or stuck where it was."""

    queue: str
    reason: Reason
    exchange: str
    routing_key: str
    queues: tuple[str, ...]


Listener = Callable[[Observation], None]
"""Called in the middle of things: it must be quick, and must not raise."""
