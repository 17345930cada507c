"""The same event twice: one mail, and the same news both times."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtplib import SMTPRecipientsRefused

from demo.mail_server import MAILBOX_BUSY, MailServer
from services.notifications.contracts import CustomerNotified, OrderLine, OrderPlaced
from services.notifications.database import Database, Sessions
from services.notifications.ledger import Ledger, LetterInHand
from services.notifications.letter import Letter, confirmation
from services.notifications.mailer import Mailer
from services.notifications.notifier import Notifier
from services.notifications.settings import Settings
from tests.samples.world import Harness, make_notifications
from toolkit import Service


def placed() -> OrderPlaced:
    return OrderPlaced(
        order_id=uuid4(),
        customer_email="ada@example.com",
        lines=(OrderLine(product="Darjeeling", quantity=2),),
        total=Decimal("9.00"),
        currency="EUR",
    )


@pytest.mark.parametrize("copies", [2, 30])
async def test_copies_of_an_event_are_one_mail_and_each_announces_the_same(
    harness: Harness, notifications: Service, mail_server: MailServer, copies: int
) -> None:
    """Under ids of their own, and all at once: who comes too early comes again."""
    order = placed()

    async with harness(notifications) as bus:
        bus.expect(LetterInHand)
        for _ in range(copies):
            await bus.publish(order)
        await bus.advance("1s")
        news = bus.published(CustomerNotified)
        assert [event.message for event in news] == [news[0].message] * copies
        assert news[0].message.order_id == order.order_id
    assert len(mail_server.mails) == 1


async def test_an_event_that_comes_again_is_no_second_mail_and_the_same_news(
    harness: Harness, notifications: Service, mail_server: MailServer
) -> None:
    """Under the same id, so that whoever hears the news twice can tell."""
    async with harness(notifications) as bus:
        await bus.publish(placed())
        await bus.settled()
        await bus.redeliver(bus.consumed(OrderPlaced).only)
        await bus.settled()
        first, second = bus.published(CustomerNotified)
        assert first.message_id == second.message_id
        assert first.message == second.message
    assert len(mail_server.mails) == 1


async def test_a_crash_before_the_ack_is_no_second_mail_and_the_same_news(
    harness: Harness, notifications: Service, mail_server: MailServer
) -> None:
    """The mail is out and the broker never heard of it: the second run finds it in the ledger."""
    async with harness(notifications) as bus:
        bus.crash_before_ack(OrderPlaced)
        await bus.publish(placed())
        await bus.settled()
        first, second = bus.published(CustomerNotified)
        assert first.message_id == second.message_id
        assert first.message == second.message
    assert len(mail_server.mails) == 1


async def test_news_that_the_broker_refuses_is_announced_later_without_a_second_mail(
    harness: Harness, notifications: Service, mail_server: MailServer
) -> None:
    """The mail is out; what is repeated is the news of it."""
    async with harness(notifications) as bus:
        bus.refuse_publish(CustomerNotified)
        await bus.publish(placed())
        await bus.advance("1s")
        refused, confirmed = bus.published(CustomerNotified)
        assert (refused.fate, confirmed.is_unheard) == ("refused", True)
        assert refused.message_id == confirmed.message_id
        assert refused.message == confirmed.message
    assert len(mail_server.mails) == 1


class SlowMailServer(MailServer):
    """Takes no mail before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked, self.may_take = asyncio.Event(), asyncio.Event()

    async def handle_DATA(self, *call: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        self.was_asked.set()
        await self.may_take.wait()
        return await super().handle_DATA(*call)


async def test_while_one_process_sends_the_copies_in_another_come_too_early_and_come_again(
    harness: Harness, tmp_path: Path
) -> None:
    """Two processes share a ledger, and the queue: the letter is in one hand only."""
    order, mail_server = placed(), SlowMailServer()

    async with mail_server.running():
        one, other = (make_notifications(tmp_path, mail_server) for _ in range(2))
        async with harness(one, other) as bus:
            bus.expect(LetterInHand)
            for _ in range(20):
                await bus.publish(order)
            await bus.retried(OrderPlaced).at_least(19)
            assert not bus.consumed()
            mail_server.may_take.set()
            await bus.advance("1s")
            assert len(bus.consumed(OrderPlaced)) == 20
    assert len(mail_server.mails) == 1


async def test_a_connection_lost_while_a_mail_is_on_its_way_is_no_second_mail(
    harness: Harness, tmp_path: Path
) -> None:
    """The event is delivered again beside the run that still has it, and waits for its end."""
    mail_server = SlowMailServer()

    async with mail_server.running(), harness(make_notifications(tmp_path, mail_server)) as bus:
        await bus.publish(placed())
        await mail_server.was_asked.wait()
        bus.drop_connection()
        mail_server.may_take.set()
        await bus.settled()
        assert len(bus.published(CustomerNotified)) == 1
        assert not bus.retried(OrderPlaced)
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
        return confirmation(placed())

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
