"""What is known of one message at one moment.

Made by the journal from what the transport and the hooks saw, handed to tests as frozen values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Generic, Literal, Self, TypeVar

from toolkit.messages import headers as wire
from toolkit.messages.contract import Message
from toolkit.messages.envelope import Envelope
from toolkit.policies.outcome import DeadReason

M_co = TypeVar("M_co", bound=Message, covariant=True)

Fate = Literal["confirmed", "returned", "refused", "unknown"]
"""How a publish ended; `returned`: no queue took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Generic[M_co]):
    """One message; `at` is by the harness's clock."""

    at: datetime
    service: str
    envelope: Envelope
    decode: Callable[[bytes], M_co] = field(repr=False, compare=False)

    @property
    def message(self) -> M_co:
        """The message itself. Raises `UndecodableError` for a body that isn't one."""
        return self.decode(self.envelope.body)

    def read_by(self, decode: Callable[[bytes], Any]) -> Self:
        """The same, with the message as somebody else's class."""
        return replace(self, decode=decode)

    @property
    def type(self) -> str | None:
        """The name of its contract."""
        return self.envelope.type

    @property
    def message_id(self) -> str | None:
        """Its id, the same over all its tries."""
        return self.envelope.message_id

    @property
    def correlation_id(self) -> str | None:
        """The story that it belongs to."""
        return self.envelope.correlation_id

    @property
    def causation_id(self) -> str | None:
        """The message in whose handling it was published."""
        return wire.text(self.envelope.headers, wire.CAUSATION_ID)

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers."""
        return MappingProxyType(self.envelope.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Record[M_co]):
    """A service, or the test, published it."""

    exchange: str
    routing_key: str
    fate: Fate

    @property
    def is_unheard(self) -> bool:
        """Whether no queue at all wanted it."""
        return self.fate == "returned"

    def __str__(self) -> str:
        told = "" if self.fate == "confirmed" else f", {self.fate}"
        return f"{self.type} {self.message_id} from {self.service}{told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Record[M_co]):
    """A consumer had it; `attempt` counts its runs from 1, over all tries."""

    consumer: str
    queue: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.type} {self.message_id} by {self.consumer}, run {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed(Received[M_co]):
    """Its handler returned, what that published is confirmed, and it is acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Received[M_co]):
    """A copy waits on the broker for the next try."""

    delay: timedelta
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettered(Received[M_co]):
    """A copy with the record of its fault is in the dead-letter queue."""

    reason: DeadReason
    error: BaseException
    dead_letter_queue: str

    def __str__(self) -> str:
        what = f"{self.reason}, {type(self.error).__name__}: {self.error}"
        return f"{self.type} {self.message_id} by {self.consumer}, {what}"
