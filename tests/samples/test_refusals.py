"""A mail server that refuses: for now, and for good."""

import json
from datetime import timedelta
from pathlib import Path

from aiosmtplib import SMTPException, SMTPRecipientsRefused

from demo.mail_server import MAILBOX_BUSY, NO_SUCH_MAILBOX, MailServer
from services.notifications.consumers import SendConfirmation
from services.notifications.contracts import CustomerNotified, OrderPlaced
from services.notifications.mailer import InvalidAddress
from services.notifications.settings import Settings
from services.orders.service import OrderDesk
from tests.samples.world import Harness, Shop, make_notifications
from toolkit import Service, UndecodableError
from toolkit.testing import ServiceHarness


async def test_an_address_refused_for_good_is_a_dead_letter_after_one_try(
    harness: Harness,
    desk: OrderDesk,
    shop: Shop,
    notifications: Service,
    mail_server: MailServer,
) -> None:
    """It holds nobody up, and its order never says that the customer knows."""
    mail_server.refuse("carl@example.com", NO_SUCH_MAILBOX)

    async with harness(notifications, desk.service) as bus:
        bus.expect(InvalidAddress)
        order = await shop.place("carl@example.com")
        other = await shop.place("ada@example.com")
        await bus.published(OrderPlaced).at_least(2)
        await bus.settled()

        letter = bus.dead_lettered(OrderPlaced, by=SendConfirmation).only
        assert str(letter.message.order_id) == order["order_id"]
        assert (letter.reason, letter.attempt) == ("failed", 1)
        assert isinstance(letter.error, InvalidAddress)
        assert "550 5.1.1 no such mailbox here" in str(letter.error)
        assert not bus.retried()
        assert (await shop.look_at(order))["customer_notified"] is False
        assert (await shop.look_at(other))["customer_notified"] is True
    assert [t.answer for t in mail_server.tries if t.recipient == "carl@example.com"] == [
        NO_SUCH_MAILBOX
    ]


async def test_a_server_that_is_down_is_tried_again_after_each_rung(
    harness: Harness,
    desk: OrderDesk,
    shop: Shop,
    notifications: Service,
    mail_server: MailServer,
) -> None:
    """The order is notified late, and the customer gets one mail."""
    mail_server.go_down(tries=2)

    async with harness(notifications, desk.service) as bus:
        bus.expect(SMTPException)
        order = await shop.place("bob@example.com")
        await bus.published(OrderPlaced).at_least(1)
        await bus.advance("1s")
        assert (await shop.look_at(order))["customer_notified"] is False
        await bus.advance("1s")

        assert bus.consumed(OrderPlaced).only.attempt == 3
        assert not bus.dead_lettered()
        assert (await shop.look_at(order))["customer_notified"] is True
    assert len(mail_server.tries) == 3
    assert len(mail_server.mails) == 1


async def test_a_server_that_stays_down_is_a_dead_letter_after_the_last_rung(
    harness: Harness,
    desk: OrderDesk,
    shop: Shop,
    notifications: Service,
    mail_server: MailServer,
) -> None:
    """With what the server said last."""
    mail_server.refuse("bob@example.com", MAILBOX_BUSY)

    async with harness(notifications, desk.service) as bus:
        bus.expect(SMTPRecipientsRefused)
        await shop.place("bob@example.com")
        await bus.published(OrderPlaced).at_least(1)
        await bus.advance("1s")
        assert not bus.dead_lettered()
        await bus.advance("1s")

        letter = bus.dead_lettered(OrderPlaced).only
        assert letter.attempt == 3
        assert "mailbox busy" in str(letter.error)
        assert not bus.published(CustomerNotified)


async def test_the_ladder_that_is_not_shortened_waits_two_and_a_half_minutes(
    desk: OrderDesk, shop: Shop, tmp_path: Path, mail_server: MailServer
) -> None:
    """To the second; in memory only, where that takes none."""
    rungs = Settings().retry_after
    notifications = make_notifications(tmp_path, mail_server, retry_after=rungs)
    mail_server.go_down(tries=len(rungs))

    async with ServiceHarness(notifications, desk.service) as bus:
        bus.expect(SMTPException)
        await shop.place("bob@example.com")
        await bus.published(OrderPlaced).at_least(1)
        for tries, rung in enumerate(rungs, start=1):
            await bus.settled()
            assert len(mail_server.tries) == tries
            await bus.advance(rung)

        (event,), (news,) = bus.published(OrderPlaced), bus.published(CustomerNotified)
        assert news.at - event.at == timedelta(seconds=1 + 5 + 30 + 120)
    assert len(mail_server.mails) == 1


async def test_an_event_with_an_unusable_address_is_undecodable_and_mails_nobody(
    harness: Harness, notifications: Service, mail_server: MailServer
) -> None:
    """Two addresses in one would be a second mail's worth of trouble."""
    order = {
        "order_id": "0b7a9f0e-3f5a-4ac1-9a55-0f6c2a4f8f11",
        "customer_email": "ada@example.com, eve@example.com",
        "lines": [],
        "total": "0.00",
        "currency": "EUR",
    }

    async with harness(notifications) as bus:
        bus.expect(UndecodableError)
        body = json.dumps(order).encode()
        await bus.publish_bytes(body, routing_key="orders.placed", type="orders.placed")
        await bus.settled()
        assert bus.dead_lettered(OrderPlaced).only.reason == "undecodable"
    assert mail_server.tries == []
