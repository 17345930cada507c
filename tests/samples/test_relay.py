"""What was committed is announced, whatever happens in between."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from demo.mail_server import MailServer
from services.orders.contracts import OrderLine, OrderPlaced
from services.orders.database import Database, Milestone
from services.orders.store import OrderStore
from tests.samples.world import (
    Harness,
    asking,
    make_desk,
    make_notifications,
    running_orders,
    wish,
)
from toolkit.testing.broker import Broker


async def test_an_order_that_a_crash_left_unannounced_is_announced_at_the_next_start(
    harness: Harness, tmp_path: Path
) -> None:
    """It was committed, and the process died before it could say so."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/orders.db")
    async with database.opened():
        lines = [OrderLine.model_validate(wish()["lines"][0])]
        store = OrderStore(database.sessions)
        order = await store.place("ada@example.com", lines=lines, currency="EUR")

    async with harness(make_desk(tmp_path).service) as bus:
        (event,) = await bus.published(OrderPlaced).at_least(1)

    assert event.message.order_id == order.order_id


async def test_an_announcement_repeated_after_a_crash_has_the_same_id_and_content(
    harness: Harness, tmp_path: Path
) -> None:
    """So that whoever hears it can tell."""
    desk = make_desk(tmp_path)
    async with harness(desk.service) as bus, asking(desk) as shop:
        await shop.until_announced(await shop.place())
        first = bus.published(OrderPlaced).only
    await forget_announcements(tmp_path)

    async with harness(make_desk(tmp_path).service) as bus:
        (second,) = await bus.published(OrderPlaced).at_least(1)

    assert first.message_id == second.message_id
    assert first.message == second.message


async def test_what_was_announced_is_not_announced_again(harness: Harness, tmp_path: Path) -> None:
    """Not at the next start, and not with the next order."""
    desk = make_desk(tmp_path)
    async with harness(desk.service) as bus, asking(desk) as shop:
        await shop.until_announced(await shop.place())

    desk = make_desk(tmp_path)
    async with harness(desk.service) as bus, asking(desk) as shop:
        order = await shop.until_announced(await shop.place())
        assert str(bus.published(OrderPlaced).only.message.order_id) == order["order_id"]


async def test_an_announcement_that_the_broker_refuses_is_owed_and_made_later(
    harness: Harness, tmp_path: Path, mail_server: MailServer
) -> None:
    """The order was taken all the same; in the end the customer has one mail."""
    desk = make_desk(tmp_path, announce_every_seconds=0.05)
    async with (
        harness(make_notifications(tmp_path, mail_server), desk.service) as bus,
        asking(desk) as shop,
    ):
        bus.refuse_publish(OrderPlaced, times=2)
        order = await shop.place()
        said = await bus.published(OrderPlaced).at_least(3)
        await bus.settled()
        assert [event.fate for event in said] == ["refused", "refused", "confirmed"]
        assert len({event.message_id for event in said}) == 1
        assert (await shop.until_announced(order))["customer_notified"] is True
    assert len(mail_server.mails) == 1


async def test_an_order_placed_while_the_connection_is_lost_is_announced_all_the_same(
    harness: Harness, tmp_path: Path, mail_server: MailServer
) -> None:
    """The publish waits for the next connection."""
    desk = make_desk(tmp_path)
    async with (
        harness(make_notifications(tmp_path, mail_server), desk.service) as bus,
        asking(desk) as shop,
    ):
        bus.drop_connection(desk.service)
        order = await shop.place()
        await bus.published(OrderPlaced).where(lambda e: e.fate == "confirmed").at_least(1)
        await bus.settled()
        assert (await shop.look_at(order))["customer_notified"] is True


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
        make_notifications(tmp_path, mail_server),
        running_orders(tmp_path, announce_every_seconds=0.2) as shop,
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
