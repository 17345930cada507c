"""What a handler sees of the message's surroundings, and where it publishes.

Receives a delivery from the pipeline, hands what the handler published to settlement.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog

from toolkit.messages import headers as wire
from toolkit.messages.contract import Command, Event, Message
from toolkit.messages.outgoing import Outgoing, SendOptions
from toolkit.observability.events import MessageFacts
from toolkit.policies.duration import Duration, parse_optional
from toolkit.transport.port import Delivery

_DERIVED = UUID("9a3f6b52-6a0b-5b43-8f0e-0d6c1c8a7e11")  # namespace of ids made from other ids

log = structlog.get_logger("toolkit.handler")


class Sending(Protocol):
    """The way out, as a handler's context needs it."""

    def prepare(self, message: Message, options: SendOptions) -> Outgoing:
        """Stamps and encodes a message. Raises `ContractError`."""
        ...

    async def release(self, outgoing: Outgoing) -> None:
        """Publishes it; returns once the broker has confirmed. Raises a `PublishError`."""
        ...


class Context:
    """The surroundings of one message while it is handled.

    `attempt` counts the runs of the handler from 1, over all tries; `consumer` and `queue` name
    who handles it, and where it lay.
    """

    __slots__ = ("_delivery", "_sending", "attempt", "consumer", "held", "queue", "rounds")

    def __init__(self, delivery: Delivery, *, queue: str, consumer: str, sending: Sending) -> None:
        headers = delivery.envelope.headers
        self._delivery = delivery
        self._sending = sending
        self.queue = queue
        self.consumer = consumer
        self.attempt = 0
        self.rounds = 0
        if wire.ATTEMPTS in headers:
            self.attempt = wire.count(headers, wire.ATTEMPTS)
        if wire.RETRY_ATTEMPT in headers:
            self.rounds = wire.count(headers, wire.RETRY_ATTEMPT)
        self.held: list[Outgoing] = []

    @property
    def message_id(self) -> str | None:
        """The message's id, the same over all its tries; None where the sender gave none."""
        return self._delivery.envelope.message_id

    @property
    def correlation_id(self) -> str | None:
        """What ties together all messages of one story: the id that it began with."""
        envelope = self._delivery.envelope
        return envelope.correlation_id or envelope.message_id

    @property
    def causation_id(self) -> str | None:
        """The id of the message in whose handling this one was published."""
        return wire.text(self._delivery.envelope.headers, wire.CAUSATION_ID)

    @property
    def redelivered(self) -> bool:
        """Whether the broker has handed this very copy out before."""
        return self._delivery.is_redelivered

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers as they came. They are the sender's word: untrusted."""
        return MappingProxyType(self._delivery.envelope.headers)

    @property
    def published_at(self) -> datetime | None:
        """When it was published, by the sender's clock, in whole seconds; None if unsaid."""
        timestamp = self._delivery.envelope.timestamp
        return timestamp if isinstance(timestamp, datetime) else None

    @property
    def log(self) -> Any:
        """A structlog logger that names the message, its consumer and the attempt."""
        return log.bind(
            consumer=self.consumer,
            message_id=self.message_id,
            correlation_id=self.correlation_id,
            attempt=self.attempt,
        )

    async def publish(
        self,
        event: Event,
        *,
        correlation_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        priority: int | None = None,
        ttl: Duration | None = None,
    ) -> None:
        """Announces an event, once the handler has returned.

        It is held until then; if the handler fails it is never published. Its id derives from
        this message's, so that a second run publishes the same ids. Raises `ContractError`.
        """
        self._hold(event, correlation_id, headers, priority, ttl)

    async def send(
        self,
        command: Command,
        *,
        correlation_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        priority: int | None = None,
        ttl: Duration | None = None,
    ) -> None:
        """Sends a command, once the handler has returned. As `publish` otherwise."""
        self._hold(command, correlation_id, headers, priority, ttl)

    def begin_attempt(self) -> None:
        """Counts a run of the handler and forgets what an earlier one wanted to publish."""
        self.attempt += 1
        if self.held:
            self.held = []

    def facts(self) -> MessageFacts:
        """What every event about this message says."""
        return {
            "consumer": self.consumer,
            "queue": self.queue,
            "message_id": self.message_id,
            "correlation_id": self.correlation_id,
            "type": self._delivery.envelope.type,
            "attempt": self.attempt,
            "envelope": self._delivery.envelope,
        }

    def _hold(
        self,
        message: Message,
        correlation_id: str | None,
        headers: Mapping[str, Any] | None,
        priority: int | None,
        ttl: Duration | None,
    ) -> None:
        options = SendOptions(
            message_id=self._derived_id(len(self.held)),
            correlation_id=correlation_id or self.correlation_id,
            causation_id=self.message_id,
            headers=headers,
            priority=priority,
            ttl=parse_optional(ttl),
        )
        self.held.append(self._sending.prepare(message, options))

    def _derived_id(self, ordinal: int) -> str | None:
        if self.message_id is None:
            return None
        name = f"{self.message_id}\n{self.queue}\n{ordinal}"
        return uuid5(_DERIVED, name.encode(errors="backslashreplace").decode()).hex
