"""A handler can be called by itself, and says what it would have published."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.shop import Handle, Notified, Placed, Ship
from toolkit import Context, ContractError
from toolkit.testing import fake_context


async def say_both(message: Placed, context: Context) -> None:
    await context.publish(Notified(number=message.number))
    await context.send(Ship(number=message.number))


async def test_a_handler_is_called_like_any_other_method() -> None:
    """No broker, no service; what it publishes is there to be looked at."""
    context = fake_context()
    await Handle(say_both).handle(Placed(number=3), context)
    assert context.published == [Notified(number=3)]
    assert context.sent == [Ship(number=3)]


async def test_its_surroundings_are_what_the_test_says() -> None:
    """Ids, headers, attempts: whatever a handler may look at."""
    context = fake_context(
        message_id="m",
        correlation_id="c",
        causation_id="cause",
        headers={"tenant": "blue"},
        attempt=3,
        redelivered=True,
        published_at=datetime(2026, 1, 1, tzinfo=UTC),
        consumer="Handle",
        queue="shop.handle",
    )
    assert (context.message_id, context.correlation_id, context.causation_id) == ("m", "c", "cause")
    assert (context.attempt, context.redelivered) == (3, True)
    assert context.headers["tenant"] == "blue"
    assert (context.consumer, context.queue) == ("Handle", "shop.handle")
    assert context.published_at == datetime(2026, 1, 1, tzinfo=UTC)


async def test_it_is_a_message_of_this_moment_unless_told_otherwise() -> None:
    """With an id, a first attempt, and nobody before it."""
    context = fake_context()
    assert context.message_id == context.correlation_id == "message-1"
    assert (context.attempt, context.redelivered, context.causation_id) == (1, False, None)
    assert context.published_at is not None
    assert datetime.now(UTC) - context.published_at < timedelta(minutes=1)


async def test_what_could_not_be_sent_can_not_be_sent_here_either() -> None:
    """A fake that takes anything would hide it."""
    with pytest.raises(ContractError, match="x-tenant"):
        await fake_context().publish(Notified(number=1), headers={"x-tenant": "blue"})
