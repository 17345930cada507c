"""Notifications by itself: its consumers called directly, then its service on a bus."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from demo.mail_server import MailServer
from services.notifications.consumers import SendCancellation, SendConfirmation
from services.notifications.contracts import CustomerNotified, OrderCancelled, OrderPlaced
from services.notifications.database import Database
from services.notifications.ledger import Ledger
from services.notifications.mailer import Mailer
from services.notifications.notifier import Notifier
from services.notifications.settings import Settings
from tests.samples.world import Harness
from toolkit import Retry, Service
from toolkit.testing import fake_context

PLACED = OrderPlaced(
    order_id=uuid4(),
    customer_email="ada@example.com",
    lines=(),
    total=Decimal("0.00"),
    currency="EUR",
)


@pytest.fixture
async def notifier(tmp_path: Path, mail_server: MailServer) -> AsyncIterator[Notifier]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/ledger.db")
    async with database.opened():
        yield Notifier(Ledger(database.sessions), Mailer(Settings(smtp_port=mail_server.port)))


async def test_a_confirmation_is_mailed_and_announced(
    notifier: Notifier, mail_server: MailServer
) -> None:
    """A handler is a method: call it, and look at what it would have published."""
    context = fake_context()

    await SendConfirmation(notifier, Retry()).handle(PLACED, context)

    (news,) = context.published
    assert isinstance(news, CustomerNotified)
    assert (news.order_id, news.about) == (PLACED.order_id, "placed")
    assert [mail.recipient for mail in mail_server.mails] == ["ada@example.com"]


async def test_a_second_run_announces_the_same_and_mails_nothing(
    notifier: Notifier, mail_server: MailServer
) -> None:
    """A cancellation, delivered again."""
    cancelled = OrderCancelled(order_id=uuid4(), customer_email="ada@example.com")
    first, second = fake_context(), fake_context(attempt=2, redelivered=True)

    for context in (first, second):
        await SendCancellation(notifier, Retry()).handle(cancelled, context)

    assert first.published == second.published
    assert len(mail_server.mails) == 1


async def test_what_the_service_hears_it_mails_and_announces(
    harness: Harness, notifications: Service, mail_server: MailServer
) -> None:
    """The whole service, and nobody else."""
    async with harness(notifications) as bus:
        await bus.publish(PLACED)
        await bus.settled()

        assert bus.consumed(OrderPlaced, by=SendConfirmation).only.attempt == 1
        assert bus.published(CustomerNotified).only.message.order_id == PLACED.order_id
    assert len(mail_server.mails) == 1
