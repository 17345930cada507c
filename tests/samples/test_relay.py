"""What was committed is announced, whatever happens in between."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from demo.mail_server import MailServer
from services.orders.contracts import OrderLine
from services.orders.database import Database, Milestone
from services.orders.store import OrderStore
from tests.samples.wire import Wire
from tests.samples.world import notifications, orders, wish
from toolkit.testing.broker import Broker


async def test_an_order_that_a_crash_left_unannounced_is_announced_at_the_next_start(
    tmp_path: Path, wire: Wire
) -> None:
    heard = wire.listen("orders.placed")
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/orders.db")
    async with database.opened():
        lines = [OrderLine.model_validate(wish()["lines"][0])]
        store = OrderStore(database.sessions)
        order = await store.place("ada@example.com", lines=lines, currency="EUR")

    async with orders(tmp_path):
        event = await wire.until_one_in(heard)

    assert event.body["order_id"] == str(order.order_id)


async def test_an_announcement_repeated_after_a_crash_has_the_same_id_and_content(
    tmp_path: Path, wire: Wire
) -> None:
    heard = wire.listen("orders.placed")
    async with orders(tmp_path) as shop:
        await shop.until_announced(await shop.place())
    await forget_announcements(tmp_path)

    async with orders(tmp_path):
        first, second = await wire.until_many_in(heard, 2)

    assert first.properties.message_id == second.properties.message_id
    assert first.body == second.body


async def forget_announcements(folder: Path) -> None:
    """As if the process had died after the confirm and before the commit."""
    database = Database(f"sqlite+aiosqlite:///{folder}/orders.db")
    async with database.opened(), database.sessions.begin() as session:
        await session.execute(update(Milestone).values(announced_at=None))


async def test_orders_are_taken_while_the_broker_is_away_and_announced_when_it_is_back(
    tmp_path: Path,
    mail_server: MailServer,
    private_broker: Broker,
    private_amqp_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOOLKIT_AMQP_URL", private_amqp_url)
    # The outage is longer than a publish waits: it fails, and is owed once more.
    monkeypatch.setenv("TOOLKIT_PUBLISH_TIMEOUT", "500ms")

    async with (
        notifications(tmp_path, mail_server),
        orders(tmp_path, announce_every_seconds=0.2) as shop,
    ):
        await asyncio.to_thread(private_broker.stop)
        placed = [await shop.place(f"customer-{n}@example.com") for n in range(5)]
        assert all(not order["milestones"][0]["announced_at"] for order in placed)
        await asyncio.to_thread(private_broker.start)
        for order in placed:
            await shop.until_notified(order, within=40)

    assert sorted(mail.recipient for mail in mail_server.mails) == [
        f"customer-{n}@example.com" for n in range(5)
    ]
