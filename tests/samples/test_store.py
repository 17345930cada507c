"""What orders writes down, without a broker."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.orders.contracts import OrderLine
from services.orders.database import Database
from services.orders.store import OrderStore
from tests.samples.world import wish

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OrderStore]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/orders.db")
    async with database.opened():
        yield OrderStore(database.sessions)


async def test_a_milestone_keeps_the_first_time_that_its_customer_was_told(
    store: OrderStore,
) -> None:
    lines = [OrderLine.model_validate(wish()["lines"][0])]
    order = await store.place("ada@example.com", lines=lines, currency="EUR")

    assert await store.mark_notified(order.order_id, "placed", NOON)
    assert await store.mark_notified(order.order_id, "placed", NOON + timedelta(hours=1))

    (milestone,) = (await store.find(order.order_id)).milestones
    assert milestone.notified_at == NOON


async def test_news_may_come_about_a_cancellation_before_the_order_itself(
    store: OrderStore,
) -> None:
    lines = [OrderLine.model_validate(wish()["lines"][0])]
    order = await store.place("ada@example.com", lines=lines, currency="EUR")
    await store.cancel(order.order_id)

    assert await store.mark_notified(order.order_id, "cancelled", NOON)
    assert await store.mark_notified(order.order_id, "placed", NOON)

    found = await store.find(order.order_id)
    assert [milestone.notified_at for milestone in found.milestones] == [NOON, NOON]


async def test_news_about_what_never_happened_is_not_written_down(store: OrderStore) -> None:
    assert not await store.mark_notified(uuid4(), "placed", NOON)
