"""The two services, talking through a broker: each in its own copy of the contracts."""

from uuid import UUID, uuid5

from demo.mail_server import MailServer
from services.notifications import contracts as notifications_contracts
from services.notifications.consumers import SendCancellation, SendConfirmation
from services.orders import contracts as orders_contracts
from services.orders.consumers import MarkNotified
from services.orders.contracts import CustomerNotified, OrderCancelled, OrderPlaced
from services.orders.service import OrderDesk
from tests.samples.world import Harness, Shop
from toolkit import Service


async def test_an_order_becomes_a_mail_and_the_mail_becomes_a_notified_order(
    harness: Harness,
    desk: OrderDesk,
    shop: Shop,
    notifications: Service,
    mail_server: MailServer,
) -> None:
    """From the request to what the customer reads, and back into the order."""
    async with harness(notifications, desk.service) as bus:
        placed = await shop.place("ada@example.com")
        assert (placed["status"], placed["customer_notified"]) == ("placed", False)
        await bus.published(OrderPlaced).at_least(1)
        await bus.settled()
        order = await shop.until_announced(placed)

    (mail,) = mail_server.mails_to("ada@example.com")
    assert order["order_id"] in mail.subject
    assert "2 x Darjeeling" in mail.text
    assert "9.00 EUR" in mail.text
    assert order["customer_notified"] is True
    (milestone,) = order["milestones"]
    assert milestone["reached_at"] < milestone["announced_at"]
    assert milestone["reached_at"] < milestone["notified_at"]


async def test_a_cancelled_order_is_a_second_mail_and_both_milestones_end_notified(
    harness: Harness,
    desk: OrderDesk,
    shop: Shop,
    notifications: Service,
    mail_server: MailServer,
) -> None:
    """The news of the first mail doesn't stand for the second one."""
    async with harness(notifications, desk.service) as bus:
        order = await shop.place("ada@example.com")
        await bus.published(OrderPlaced).at_least(1)
        await bus.settled()
        cancelled = await shop.http.post(f"/orders/{order['order_id']}/cancel")
        assert cancelled.json()["status"] == "cancelled"
        assert cancelled.json()["customer_notified"] is False
        await bus.published(OrderCancelled).at_least(1)
        await bus.settled()
        order = await shop.look_at(order)

    assert [milestone["kind"] for milestone in order["milestones"]] == ["placed", "cancelled"]
    assert all(milestone["notified_at"] for milestone in order["milestones"])
    confirmation, cancellation = mail_server.mails_to("ada@example.com")
    assert confirmation.subject == f"Thank you for order {order['order_id']}"
    assert cancellation.subject == f"Order {order['order_id']} is cancelled"


async def test_an_announcement_has_the_id_that_derives_from_its_order(
    harness: Harness, desk: OrderDesk, shop: Shop
) -> None:
    """Whoever hears it twice can see that; and nobody has to hear it at all."""
    async with harness(desk.service) as bus:
        order = await shop.place()
        (event,) = await bus.published(OrderPlaced).at_least(1)

    assert event.message_id == str(uuid5(UUID(order["order_id"]), "placed"))
    assert event.envelope.app_id == "orders"
    assert event.is_unheard


async def test_each_service_reads_the_others_events_in_its_own_words(
    harness: Harness, desk: OrderDesk, shop: Shop, notifications: Service
) -> None:
    """One story of four messages; what one copy of a contract says, the other one hears."""
    async with harness(notifications, desk.service) as bus:
        order = await shop.place()
        await bus.published(OrderPlaced).at_least(1)
        await bus.settled()
        await shop.http.post(f"/orders/{order['order_id']}/cancel")
        await bus.published(OrderCancelled).at_least(1)
        await bus.settled()

        placed = bus.published(orders_contracts.OrderPlaced, by="orders").only
        heard = bus.consumed(notifications_contracts.OrderPlaced, by=SendConfirmation).only
        assert (heard.message_id, heard.message.total) == (placed.message_id, placed.message.total)
        assert [line.product for line in heard.message.lines] == ["Darjeeling"]

        cancelled = bus.published(orders_contracts.OrderCancelled, by=desk.service).only
        heard_too = bus.consumed(notifications_contracts.OrderCancelled, by=SendCancellation).only
        assert heard_too.message.order_id == cancelled.message.order_id

        told = bus.published(notifications_contracts.CustomerNotified, by=notifications)
        marked = bus.consumed(CustomerNotified, by=MarkNotified)
        assert [news.causation_id for news in told] == [placed.message_id, cancelled.message_id]
        assert [news.message.about for news in marked] == ["placed", "cancelled"]
        assert [n.message.notified_at for n in marked] == [n.message.notified_at for n in told]
