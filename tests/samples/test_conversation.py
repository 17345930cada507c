"""The two services, talking through the broker."""

from pathlib import Path
from uuid import UUID, uuid5

import pytest

from demo.mail_server import MailServer
from tests.samples.wire import Wire
from tests.samples.world import notifications, orders

pytestmark = pytest.mark.usefixtures("broker_url")


async def test_an_order_becomes_a_mail_and_the_mail_becomes_a_notified_order(
    tmp_path: Path, mail_server: MailServer
) -> None:
    async with notifications(tmp_path, mail_server), orders(tmp_path) as shop:
        placed = await shop.place("ada@example.com")
        assert (placed["status"], placed["customer_notified"]) == ("placed", False)

        order = await shop.until_notified(placed)

    (mail,) = mail_server.mails_to("ada@example.com")
    assert order["order_id"] in mail.subject
    assert "2 x Darjeeling" in mail.text
    assert "9.00 EUR" in mail.text
    (milestone,) = order["milestones"]
    assert milestone["reached_at"] < milestone["announced_at"]
    assert milestone["reached_at"] < milestone["notified_at"]


async def test_a_cancelled_order_is_a_second_mail_and_both_milestones_end_notified(
    tmp_path: Path, mail_server: MailServer
) -> None:
    async with notifications(tmp_path, mail_server), orders(tmp_path) as shop:
        order = await shop.until_notified(await shop.place("ada@example.com"))
        cancelled = await shop.http.post(f"/orders/{order['order_id']}/cancel")
        assert cancelled.json()["status"] == "cancelled"
        assert cancelled.json()["customer_notified"] is False

        order = await shop.until_notified(order)

    assert [milestone["kind"] for milestone in order["milestones"]] == ["placed", "cancelled"]
    assert all(milestone["notified_at"] for milestone in order["milestones"])
    confirmation, cancellation = mail_server.mails_to("ada@example.com")
    assert confirmation.subject == f"Thank you for order {order['order_id']}"
    assert cancellation.subject == f"Order {order['order_id']} is cancelled"


async def test_an_announcement_has_the_id_that_derives_from_its_order(
    tmp_path: Path, wire: Wire
) -> None:
    heard = wire.listen("orders.placed")

    async with orders(tmp_path) as shop:
        order = await shop.place()
        await shop.until_announced(order)

    (event,) = wire.take_all(heard)
    assert event.properties.message_id == str(uuid5(UUID(order["order_id"]), "placed"))
    assert event.properties.type == "orders.placed"
    assert event.properties.app_id == "orders"


async def test_news_about_an_order_that_is_not_ours_is_a_dead_letter(
    tmp_path: Path, wire: Wire
) -> None:
    stranger = "0b7a9f0e-3f5a-4ac1-9a55-0f6c2a4f8f11"
    news = {"order_id": stranger, "about": "placed", "notified_at": "2026-01-01T00:00:00Z"}

    async with orders(tmp_path):
        wire.publish("customers.notified", news)
        dead = await wire.until_one_in("orders.mark-notified.dead")

    assert dead.properties.headers["dead-reason"] == "rejected"
    assert stranger in dead.properties.headers["error-message"]
