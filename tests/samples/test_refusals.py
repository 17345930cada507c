"""A mail server that refuses: for now, and for good."""

from pathlib import Path

import pytest

from demo.mail_server import MAILBOX_BUSY, NO_SUCH_MAILBOX, MailServer
from tests.samples.wire import Wire
from tests.samples.world import notifications, orders

DEAD = "notifications.send-confirmation.dead"


async def test_an_address_refused_for_good_is_a_dead_letter_after_one_try(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    mail_server.refuse("carl@example.com", NO_SUCH_MAILBOX)

    async with notifications(tmp_path, mail_server), orders(tmp_path) as shop:
        order = await shop.place("carl@example.com")
        dead = await wire.until_one_in(DEAD)
        await shop.until_notified(await shop.place("ada@example.com"))  # nobody is held up
        assert (await shop.look_at(order))["customer_notified"] is False

    assert [t.answer for t in mail_server.tries if t.recipient == "carl@example.com"] == [
        NO_SUCH_MAILBOX
    ]
    record = dead.properties.headers
    assert dead.body["order_id"] == order["order_id"]
    assert record["dead-reason"] == "failed"
    assert record["error-type"] == "services.notifications.mailer.InvalidAddress"
    assert "550 5.1.1 no such mailbox here" in record["error-message"]
    assert record["attempts"] == 1
    assert record["original-routing-key"] == "orders.placed"


async def test_a_server_that_is_down_is_tried_again_after_each_rung(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    mail_server.go_down(tries=2)

    async with notifications(tmp_path, mail_server), orders(tmp_path) as shop:
        await shop.until_notified(await shop.place("bob@example.com"))

    first, second, third = (t.at for t in mail_server.tries)
    assert second - first == pytest.approx(1.5, abs=0.5)
    assert third - second == pytest.approx(1.5, abs=0.5)
    assert len(mail_server.mails) == 1
    assert wire.count(DEAD) == 0


async def test_a_server_that_stays_down_is_a_dead_letter_after_the_last_rung(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    mail_server.refuse("bob@example.com", MAILBOX_BUSY)

    async with notifications(tmp_path, mail_server), orders(tmp_path) as shop:
        await shop.place("bob@example.com")
        dead = await wire.until_one_in(DEAD)

    assert dead.properties.headers["attempts"] == 3
    assert "mailbox busy" in dead.properties.headers["error-message"]


async def test_an_event_with_an_unusable_address_is_undecodable_and_mails_nobody(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    order = {
        "order_id": "0b7a9f0e-3f5a-4ac1-9a55-0f6c2a4f8f11",
        "customer_email": "ada@example.com, eve@example.com",
        "lines": [],
        "total": "0.00",
        "currency": "EUR",
    }

    async with notifications(tmp_path, mail_server):
        wire.publish("orders.placed", order)
        dead = await wire.until_one_in(DEAD)

    assert dead.properties.headers["dead-reason"] == "undecodable"
    assert mail_server.tries == []
