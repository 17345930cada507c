"""A context for a handler that is called directly, without any service.

Receives what a test says about the message, hands a handler what it would have got, and the test
what the handler published.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from toolkit.messages import headers as wire
from toolkit.messages.codec import JsonCodec
from toolkit.messages.contract import Command, Event
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.observability.hooks import Hooks
from toolkit.receiving.context import Context
from toolkit.sending.pipeline import SendPipeline

_TIMEOUT_OF_NOTHING = datetime.resolution


class FakeContext(Context):
    """A `Context` that publishes nothing, and tells what was to be published."""

    __slots__ = ()

    @property
    def published(self) -> list[Event]:
        """The events, in their order."""
        return [held.message for held in self.held if isinstance(held.message, Event)]

    @property
    def sent(self) -> list[Command]:
        """The commands, in their order."""
        return [held.message for held in self.held if isinstance(held.message, Command)]


def fake_context(
    *,
    message_id: str | None = "message-1",
    correlation_id: str | None = None,
    causation_id: str | None = None,
    headers: Mapping[str, Any] | None = None,
    attempt: int = 1,
    redelivered: bool = False,
    published_at: datetime | None = None,
    queue: str = "test.queue",
    consumer: str = "test",
) -> FakeContext:
    """The surroundings of a message, for a test that calls a handler by itself.

    `attempt` counts from 1. What the handler publishes is checked and encoded as it would be, so
    what can't be sent raises `ContractError` here too.
    """
    own = {} if causation_id is None else {wire.CAUSATION_ID: causation_id}
    envelope = Envelope(
        b"",
        message_id=message_id,
        correlation_id=correlation_id,
        timestamp=published_at or datetime.now(UTC).replace(microsecond=0),
        headers={**own, **(headers or {})},
    )
    delivery = _Delivery(envelope, queue, is_redelivered=redelivered)
    sending = SendPipeline("test", _nowhere, JsonCodec(), Hooks(), timeout=_TIMEOUT_OF_NOTHING)
    context = FakeContext(delivery, queue=queue, consumer=consumer, sending=sending)
    context.attempt = attempt
    return context


async def _nowhere(_: Publication, __: object) -> None:
    """What a handler publishes is held; nobody ever releases it here."""


class _Delivery:
    """A message that came from nowhere; see `Delivery`."""

    exchange = ""
    earlier_deliveries = 0
    is_live = True
    is_settled = False

    def __init__(self, envelope: Envelope, queue: str, *, is_redelivered: bool) -> None:
        self.envelope = envelope
        self.routing_key = queue
        self.is_redelivered = is_redelivered

    def ack(self) -> None:
        """See `Delivery`. A handler can't reach it."""

    reject = give_back = ack
