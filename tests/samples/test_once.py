"""The same event twice: one mail, and the same news both times."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtplib import SMTPRecipientsRefused

from demo.mail_server import MAILBOX_BUSY, MailServer
from services.notifications.contracts import OrderPlaced
from services.notifications.database import Database, Sessions
from services.notifications.ledger import Ledger, LetterInHand
from services.notifications.letter import Letter, confirmation
from services.notifications.mailer import Mailer
from services.notifications.notifier import Notifier
from services.notifications.settings import Settings
from tests.samples.wire import Wire
from tests.samples.world import notifications


def placed() -> dict[str, Any]:
    return {
        "order_id": str(uuid4()),
        "customer_email": "ada@example.com",
        "lines": [{"product": "Darjeeling", "quantity": 2}],
        "total": "9.00",
        "currency": "EUR",
    }


@pytest.mark.parametrize("copies", [2, 30])
async def test_copies_of_an_event_are_one_mail_and_each_announces_the_same(
    tmp_path: Path, mail_server: MailServer, wire: Wire, copies: int
) -> None:
    heard, order = wire.listen("customers.notified"), placed()

    async with notifications(tmp_path, mail_server):
        for _ in range(copies):
            wire.publish("orders.placed", order)
        news = await wire.until_many_in(heard, copies)

    assert len(mail_server.mails) == 1
    bodies = [event.body for event in news]
    assert bodies == [bodies[0]] * copies
    assert bodies[0]["order_id"] == order["order_id"]


async def test_a_redelivered_event_announces_under_the_same_message_id(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    heard, order = wire.listen("customers.notified"), placed()

    async with notifications(tmp_path, mail_server):
        wire.publish("orders.placed", order, message_id="the-one")
        wire.publish("orders.placed", order, message_id="the-one")
        first, second = await wire.until_many_in(heard, 2)

    assert first.properties.message_id == second.properties.message_id


async def test_two_processes_that_share_a_ledger_mail_once(
    tmp_path: Path, mail_server: MailServer, wire: Wire
) -> None:
    heard, order = wire.listen("customers.notified"), placed()

    async with notifications(tmp_path, mail_server), notifications(tmp_path, mail_server):
        for _ in range(20):
            wire.publish("orders.placed", order)
        await wire.until_many_in(heard, 20)

    assert len(mail_server.mails) == 1


class StuckMailer(Mailer):
    """A mail server that has picked up the phone and says nothing."""

    def __init__(self) -> None:
        self.was_called = asyncio.Event()

    async def send(self, letter: Letter) -> None:
        self.was_called.set()
        await asyncio.Event().wait()


class TestClaim:
    """The ledger and the mailer, without a broker."""

    @pytest.fixture
    async def sessions(self, tmp_path: Path) -> AsyncIterator[Sessions]:
        database = Database(f"sqlite+aiosqlite:///{tmp_path}/ledger.db")
        async with database.opened():
            yield database.sessions

    @pytest.fixture
    def mailer(self, mail_server: MailServer) -> Mailer:
        return Mailer(Settings(smtp_port=mail_server.port))

    @pytest.fixture
    def letter(self) -> Letter:
        return confirmation(OrderPlaced.model_validate(placed()))

    async def test_of_many_at_once_one_sends_and_the_others_come_too_early_or_hear_of_it(
        self, sessions: Sessions, mailer: Mailer, letter: Letter, mail_server: MailServer
    ) -> None:
        notifier = Notifier(Ledger(sessions), mailer)

        ends = await asyncio.gather(
            *(notifier.notify(letter) for _ in range(10)), return_exceptions=True
        )

        assert len(mail_server.mails) == 1
        news = await notifier.notify(letter)
        assert news in ends
        assert all(end == news or isinstance(end, LetterInHand) for end in ends)

    async def test_a_letter_that_could_not_be_sent_can_be_claimed_at_once(
        self, sessions: Sessions, mailer: Mailer, letter: Letter, mail_server: MailServer
    ) -> None:
        notifier = Notifier(Ledger(sessions), mailer)
        mail_server.refuse(letter.recipient, MAILBOX_BUSY, times=1)

        with pytest.raises(SMTPRecipientsRefused):
            await notifier.notify(letter)
        await notifier.notify(letter)

        assert len(mail_server.mails) == 1

    async def test_a_cancelled_run_hands_its_claim_back(
        self, sessions: Sessions, mailer: Mailer, letter: Letter, mail_server: MailServer
    ) -> None:
        stuck = StuckMailer()
        run = asyncio.create_task(Notifier(Ledger(sessions), stuck).notify(letter))
        await stuck.was_called.wait()

        run.cancel()
        await asyncio.wait([run])
        await Notifier(Ledger(sessions), mailer).notify(letter)

        assert len(mail_server.mails) == 1

    async def test_a_claim_left_by_a_crash_holds_for_its_lease_and_no_longer(
        self, sessions: Sessions, mailer: Mailer, letter: Letter
    ) -> None:
        await Ledger(sessions, lease=timedelta(hours=1)).claim(letter.order_id, letter.about)
        with pytest.raises(LetterInHand):
            await Notifier(Ledger(sessions), mailer).notify(letter)

        other = replace(letter, order_id=uuid4())
        await Ledger(sessions, lease=timedelta(0)).claim(other.order_id, other.about)
        await Notifier(Ledger(sessions), mailer).notify(other)

    async def test_an_overtaken_claim_can_not_release_the_one_that_overtook_it(
        self, sessions: Sessions, letter: Letter
    ) -> None:
        key = (letter.order_id, letter.about)
        overtaken = await Ledger(sessions, lease=timedelta(0)).claim(*key)
        await Ledger(sessions).claim(*key)

        await Ledger(sessions).release(overtaken)

        with pytest.raises(LetterInHand):
            await Ledger(sessions).claim(*key)
