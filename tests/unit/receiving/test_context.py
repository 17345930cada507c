"""What a handler sees of a message, and what it publishes while it handles one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from structlog.testing import capture_logs

from tests.unit.amqp import header_tables
from tests.unit.deliveries import InMemoryDelivery, delivery
from tests.unit.orders import OrderCancelled, ShipOrder
from tests.unit.postbox import Postbox
from tests.unit.sending.pipelines import pipeline
from toolkit import Context, ContractError
from toolkit.messages.envelope import Envelope

CANCELLED = OrderCancelled(order_id=1)


def context_of(incoming: InMemoryDelivery, postbox: Postbox | None = None) -> Context:
    sending = pipeline(postbox or Postbox())
    return Context(incoming, queue="shop.ship", consumer="Ship", sending=sending)


def test_a_handler_sees_the_properties_of_its_message() -> None:
    """As the sender set them."""
    noon = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    envelope = Envelope(
        b"",
        message_id="m",
        correlation_id="c",
        timestamp=noon,
        headers={"causation-id": "b", "colour": "red"},
    )
    context = context_of(InMemoryDelivery(envelope, is_redelivered=True))
    assert (context.message_id, context.correlation_id, context.causation_id) == ("m", "c", "b")
    assert (context.queue, context.consumer) == ("shop.ship", "Ship")
    assert context.headers["colour"] == "red"
    assert context.published_at == noon
    assert context.redelivered


def test_a_message_that_says_nothing_of_itself_can_be_handled_as_well() -> None:
    """From plain pika, with nothing but a body."""
    context = context_of(InMemoryDelivery(Envelope(b"")))
    assert (context.message_id, context.correlation_id, context.causation_id) == (None,) * 3
    assert (context.published_at, context.redelivered, dict(context.headers)) == (None, False, {})


def test_a_date_that_is_no_date_is_none() -> None:
    """Some senders write milliseconds."""
    assert context_of(InMemoryDelivery(Envelope(b"", timestamp=2**60))).published_at is None


def test_a_story_begins_with_the_message_that_belongs_to_none() -> None:
    """Without a correlation id it is the message's own id."""
    assert context_of(delivery(message_id="m")).correlation_id == "m"


def test_the_headers_can_not_be_changed() -> None:
    """A handler must not alter what a copy will carry."""
    context = context_of(delivery(headers={"colour": "red"}))
    with pytest.raises(TypeError):
        context.headers["colour"] = "blue"  # type: ignore[index]


@pytest.mark.parametrize(("headers", "attempt"), [({}, 1), ({"attempts": 6}, 7)])
def test_attempts_are_counted_over_all_rounds(headers: dict[str, Any], attempt: int) -> None:
    """The first try is 1."""
    context = context_of(delivery(headers=headers))
    context.begin_attempt()
    assert context.attempt == attempt


@given(header_tables)
def test_no_header_of_a_stranger_breaks_the_context(headers: dict[str, Any]) -> None:
    """Headers of ours with the wrong type count as absent."""
    names = ("attempts", "retry-attempt", "causation-id")
    strange = dict(zip(names, headers.values(), strict=False))
    context = context_of(delivery(headers={**headers, **strange}))
    assert context.attempt >= 0
    assert context.rounds >= 0
    assert context.causation_id is None or isinstance(context.causation_id, str)


def test_logs_and_events_name_the_message() -> None:
    """So that one story can be found among thousands."""
    incoming = delivery(message_id="m", correlation_id="c")
    context = context_of(incoming)
    context.begin_attempt()
    names = {"consumer": "Ship", "message_id": "m", "correlation_id": "c", "attempt": 1}
    with capture_logs() as logs:
        context.log.info("shipping", order_id=1)
    assert logs == [{"event": "shipping", "log_level": "info", "order_id": 1, **names}]
    assert context.facts() == {
        **names,
        "queue": "shop.ship",
        "type": "orders.placed",
        "envelope": incoming.envelope,
    }


def test_a_first_round_is_round_zero() -> None:
    """Delayed tries are counted apart."""
    assert context_of(delivery()).rounds == 0
    assert context_of(delivery(headers={"retry-attempt": 2})).rounds == 2


# ---------------------------------------------------------------------------------- publishing


async def test_what_a_handler_publishes_is_held() -> None:
    """Events and commands, in their order; nothing has been sent."""
    postbox = Postbox()
    context = context_of(delivery(), postbox)
    await context.publish(CANCELLED)
    await context.send(ShipOrder(order_id=1))
    keys = [outgoing.publication.routing_key for outgoing in context.held]
    assert keys == ["orders.cancelled", "shipping.ship-order"]
    assert not postbox.taken


async def test_what_a_handler_publishes_belongs_to_the_same_story() -> None:
    """Same correlation, caused by this message; both can be told otherwise or more."""
    context = context_of(delivery(message_id="m", correlation_id="c"))
    await context.publish(CANCELLED, headers={"colour": "red"}, priority=2, ttl="1s")
    await context.publish(CANCELLED, correlation_id="another")
    first, second = (outgoing.publication.envelope for outgoing in context.held)
    assert (first.correlation_id, second.correlation_id) == ("c", "another")
    assert first.headers == {"schema-version": 1, "causation-id": "m", "colour": "red"}
    assert (first.priority, first.expiration) == (2, "1000")


async def ids_of(context: Context, count: int = 2) -> list[str | None]:
    context.begin_attempt()
    for _ in range(count):
        await context.publish(CANCELLED)
    return [outgoing.publication.envelope.message_id for outgoing in context.held]


async def test_a_second_run_publishes_the_same_ids() -> None:
    """In place or after a delay, in this process or another, so that a receiver can tell."""
    context = context_of(delivery())
    first = await ids_of(context)
    assert await ids_of(context) == first
    assert await ids_of(context_of(delivery(headers={"attempts": 3}))) == first
    assert len(set(first)) == 2


async def test_two_messages_or_two_consumers_never_publish_the_same_id() -> None:
    """Each derives from message, queue and place."""
    elsewhere = Context(delivery(), queue="shop.bill", consumer="Bill", sending=pipeline(Postbox()))
    ids = [
        *await ids_of(context_of(delivery(message_id="m-1"))),
        *await ids_of(context_of(delivery(message_id="m-2"))),
        *await ids_of(elsewhere),
    ]
    assert len(set(ids)) == 6


async def test_a_message_without_an_id_lends_none() -> None:
    """What is published has a random one then."""
    (one,) = await ids_of(context_of(delivery(message_id=None)), 1)
    (other,) = await ids_of(context_of(delivery(message_id=None)), 1)
    assert one
    assert one != other


async def test_an_id_that_was_not_utf_8_is_no_obstacle() -> None:
    """A stranger's id must not make a handler fail that publishes."""
    strange = b"caf\xe9".decode("utf-8", "surrogateescape")
    context = context_of(delivery(message_id=strange, correlation_id=strange))
    (message_id,) = await ids_of(context, 1)
    assert message_id
    assert message_id.isascii()
    (outgoing,) = context.held
    assert outgoing.publication.envelope.correlation_id == strange


async def test_a_new_attempt_forgets_what_an_earlier_one_wanted_to_publish() -> None:
    """A failed run publishes nothing."""
    context = context_of(delivery())
    await ids_of(context)
    context.begin_attempt()
    assert context.held == []


async def test_what_can_not_be_a_message_is_refused_in_the_handler() -> None:
    """Where the traceback shows the line."""
    with pytest.raises(ContractError, match="is not a message"):
        await context_of(delivery()).publish("text")  # type: ignore[arg-type]
