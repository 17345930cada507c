"""Orders by itself: its consumer called directly, then its service on a bus."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from services.orders.consumers import MarkNotified
from services.orders.contracts import CustomerNotified
from services.orders.database import Database
from services.orders.service import OrderDesk
from services.orders.store import OrderStore
from tests.samples.world import Harness, Shop
from toolkit import Reject
from toolkit.testing import fake_context

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OrderStore]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/orders.db")
    async with database.opened():
        yield OrderStore(database.sessions)


async def test_news_of_an_order_is_written_down(store: OrderStore) -> None:
    """A handler is a method: call it, and look at what it did."""
    order = await store.place("ada@example.com", lines=[], currency="EUR")
    news = CustomerNotified(order_id=order.order_id, about="placed", notified_at=NOON)

    await MarkNotified(store).handle(news, fake_context())

    (milestone,) = (await store.find(order.order_id)).milestones
    assert milestone.notified_at == NOON


async def test_news_of_an_order_that_is_not_ours_is_rejected(store: OrderStore) -> None:
    """Another try would find it no better."""
    news = CustomerNotified(order_id=uuid4(), about="placed", notified_at=NOON)

    with pytest.raises(Reject, match=str(news.order_id)):
        await MarkNotified(store).handle(news, fake_context())


async def test_the_service_keeps_news_of_strangers_for_a_person_to_look_at(
    harness: Harness, desk: OrderDesk, shop: Shop
) -> None:
    """A dead letter after one run; news of our own is in the order."""
    async with harness(desk.service) as bus:
        order = await shop.place()
        ours = CustomerNotified(order_id=order["order_id"], about="placed", notified_at=NOON)
        strange = ours.model_copy(update={"order_id": uuid4()})
        await bus.publish(strange)
        await bus.publish(ours)
        await bus.settled()

        letter = bus.dead_lettered(CustomerNotified).where(order_id=strange.order_id).only
        assert (letter.reason, letter.attempt) == ("rejected", 1)
        assert str(strange.order_id) in str(letter.error)
        assert bus.consumed(CustomerNotified, by=MarkNotified).only.message == ours
        assert (await shop.look_at(order))["customer_notified"] is True
