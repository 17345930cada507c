"""A mail server that is down for a minute while orders come in: none is given up, all are told."""

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from demo.mail_server import MailServer
from services.notifications.contracts import OrderLine, OrderPlaced
from tests.samples.world import make_notifications
from toolkit.testing import ServiceHarness

ORDERS_A_SECOND = 5
ALWAYS = 1_000_000  # connections


def placed(number: int) -> OrderPlaced:
    return OrderPlaced(
        order_id=uuid4(),
        customer_email=f"customer-{number}@example.com",
        lines=(OrderLine(product="Teapot", quantity=1),),
        total=Decimal("32.00"),
        currency="EUR",
    )


async def test_an_outage_of_a_minute_costs_no_letter(
    tmp_path: Path, mail_server: MailServer
) -> None:
    """Neither a dead letter nor a second mail; all are sent within a minute of its return."""
    ladder = ("1s", "5s", "30s", "2m")
    service = make_notifications(tmp_path, mail_server, retry_after=ladder)
    async with ServiceHarness(service, patience="60s") as bus:
        bus.expect(Exception)
        mail_server.go_down(tries=ALWAYS)
        for second in range(60):
            for number in range(ORDERS_A_SECOND):
                await bus.publish(placed(second * ORDERS_A_SECOND + number))
            await bus.advance("1s")
        assert "notifications.send-confirmation" in service.suspended
        assert not mail_server.mails
        tries_while_down = len(mail_server.tries)
        mail_server.go_down(tries=0)
        await bus.advance("1m")
        assert not bus.dead_lettered()
        assert not service.suspended
    assert len({mail.recipient for mail in mail_server.mails}) == 60 * ORDERS_A_SECOND
    assert len(mail_server.mails) == 60 * ORDERS_A_SECOND
    assert tries_while_down < 60
