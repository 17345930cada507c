"""Facts about messages, as frozen values.

Made in sending and receiving, handed to every hook that asked for their type.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from toolkit.messages.envelope import Envelope
from toolkit.policies.outcome import DeadReason


class MessageFacts(TypedDict):
    """What every `MessageEvent` says, ready to be passed to its constructor."""

    consumer: str
    queue: str
    message_id: str | None
    correlation_id: str | None
    type: str | None
    attempt: int
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent:
    """Something that became of one message in one consumer."""

    consumer: str
    queue: str
    message_id: str | None
    correlation_id: str | None
    type: str | None
    attempt: int
    envelope: Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled(MessageEvent):
    """The handler returned, its publishes are confirmed, the message is acknowledged."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(MessageEvent):
    """One run of the handler raised."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(MessageEvent):
    """A copy waits on the broker for the next try."""

    delay: timedelta
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered(MessageEvent):
    """A copy with the record of its fault is in the dead-letter queue."""

    reason: DeadReason
    error: BaseException
    dead_letter_queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardedByHandler(MessageEvent):
    """The handler said to drop it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(MessageEvent):
    """Its process died under it too often; it will run alone."""

    earlier_deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFailed(MessageEvent):
    """A copy or a publish of the handler could not be confirmed; the original stays queued."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack(MessageEvent):
    """Returned to the queue by a shutdown, begun or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyListens:
    """An event that no queue took; told once for each type."""

    type: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSuspended:
    """Its kill switch has tripped: it takes nothing for the time of `pause`, then probes."""

    consumer: str
    queue: str
    runs: int
    failures: int
    pause: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerResumed:
    """A probe succeeded: it takes messages as before."""

    consumer: str
    queue: str
    lasted: timedelta


Observation = MessageEvent | NobodyListens | ConsumerSuspended | ConsumerResumed
