"""All that happened to messages, in order.

Receives publishes and settlements from watched transports and events from the services' hooks,
hands records to views and to the timeline.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from toolkit.errors import UndecodableError
from toolkit.messages.codec import Codec
from toolkit.messages.contract import Message
from toolkit.messages.envelope import Envelope
from toolkit.observability import events
from toolkit.policies.verdict import Verdict
from toolkit.testing.harness.record import (
    Consumed,
    DeadLettered,
    Fate,
    Published,
    Received,
    Record,
    Retried,
)

_BEYOND_HANDLING = ("undecodable", "unhandled", "crashed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that became of a message, for the timeline."""

    at: datetime
    envelope: Envelope
    what: str


class Journal:
    """What happened so far."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._decoders: dict[str | None, Callable[[bytes], Message]] = {}
        self.records: list[Record[Any]] = []
        self.told: list[Told] = []
        self.failures: list[events.Failed | events.DeadLettered] = []
        """Errors that no policy was expected to deal with; see `expect`."""
        self._expected: tuple[type[BaseException], ...] = (Verdict,)

    def know(self, models: Iterable[type[Message]], codec: Codec) -> None:
        """Remembers how messages of these types are read, where a test doesn't say."""
        for model in models:
            if model.__contract__ is not None:
                self._decoders.setdefault(model.__contract__.name, codec.decoder(model))

    def expect(self, errors: tuple[type[BaseException], ...]) -> None:
        """Takes these for part of the story, from now on and in what has happened."""
        self._expected += errors
        self.failures = [one for one in self.failures if not isinstance(one.error, errors)]

    def published(
        self, envelope: Envelope, *, service: str, exchange: str, routing_key: str, fate: Fate
    ) -> None:
        """A message went out."""
        self.records.append(
            Published(
                at=self._now(),
                service=service,
                envelope=envelope,
                decode=self._decoder(envelope),
                exchange=exchange,
                routing_key=routing_key,
                fate=fate,
            )
        )

    def hook(self, service: str) -> Callable[[events.MessageEvent], None]:
        """What a service's hooks are to call."""

        def hear(event: events.MessageEvent) -> None:
            self._hear(service, event)

        return hear

    def _hear(self, service: str, event: events.MessageEvent) -> None:
        if record := self._record_of(service, event):
            self.records.append(record)
        if _is_failure(event) and not isinstance(event.error, self._expected):
            self.failures.append(event)
        self.tell(event.envelope, sentence(event))

    def tell(self, envelope: Envelope, what: str) -> None:
        """Something that the timeline is to say of a message."""
        self.told.append(Told(at=self._now(), envelope=envelope, what=what))

    def _record_of(self, service: str, event: events.MessageEvent) -> Received[Any] | None:
        facts: dict[str, Any] = {
            "at": self._now(),
            "service": service,
            "envelope": event.envelope,
            "decode": self._decoder(event.envelope),
            "consumer": event.consumer,
            "queue": event.queue,
            "attempt": event.attempt,
        }
        match event:
            case events.Handled():
                return Consumed(**facts)
            case events.RetryScheduled():
                return Retried(**facts, delay=event.delay, error=event.error)
            case events.DeadLettered():
                return DeadLettered(
                    **facts,
                    reason=event.reason,
                    error=event.error,
                    dead_letter_queue=event.dead_letter_queue,
                )
            case _:
                return None

    def _decoder(self, envelope: Envelope) -> Callable[[bytes], Message]:
        return self._decoders.get(envelope.type) or _unknown(envelope.type)


def sentence(event: events.MessageEvent) -> str:  # noqa: PLR0911 - one line for each
    """What became of a message, as the timeline says it."""
    consumer = event.consumer
    match event:
        case events.Handled():
            return f"{consumer} handled it, run {event.attempt}"
        case events.Failed():
            return f"{consumer} failed, run {event.attempt}: {_said(event.error)}"
        case events.RetryScheduled():
            return f"waits {event.delay} for the next try"
        case events.DeadLettered():
            why = _said(event.error)
            return f"{consumer} gave it up as {event.reason}: in {event.dead_letter_queue}, {why}"
        case events.DiscardedByHandler():
            return f"{consumer} discarded it: {event.reason}"
        case events.Quarantined():
            return f"{consumer} lets it run alone, after {event.earlier_deliveries} deliveries"
        case events.SettlementFailed():
            return f"{consumer} could not settle it, it stays queued: {_said(event.error)}"
        case events.HandedBack():
            return f"{consumer} handed it back"
        case _:
            return f"{consumer}: {type(event).__name__}"


def _is_failure(event: events.MessageEvent) -> TypeGuard[events.Failed | events.DeadLettered]:
    """Whether a handler raised, or there was none that could have."""
    match event:
        case events.Failed():
            return True
        case events.DeadLettered(reason=reason):
            return reason in _BEYOND_HANDLING
        case _:
            return False


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _unknown(name: str | None) -> Callable[[bytes], Message]:
    def decode(_: bytes) -> Message:
        raise UndecodableError(f"no service here knows messages of type {name!r}; ask for a class")

    return decode
