"""What the tests of the samples share.

Receives brokers from the toolkit's pytest plugin, hands out the two services, connected to nothing
yet, and what is around them: databases, a mail server and a customer.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from demo.mail_server import MailServer
from services.orders.service import OrderDesk
from tests.samples.wire import Wire
from tests.samples.world import Shop, asking, make_desk, make_notifications
from toolkit import Service


@pytest.fixture
def desk(tmp_path: Path) -> OrderDesk:
    """Orders; its service is `desk.service`."""
    return make_desk(tmp_path)


@pytest.fixture
async def shop(desk: OrderDesk) -> AsyncIterator[Shop]:
    """A customer of `desk`; the test starts its service."""
    async with asking(desk) as shop:
        yield shop


@pytest.fixture
def notifications(tmp_path: Path, mail_server: MailServer) -> Service:
    """Notifications, with a ladder that a test on RabbitMQ can wait for."""
    return make_notifications(tmp_path, mail_server)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    async with MailServer().running() as server:
        yield server


@pytest.fixture
def broker_url(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The services find their broker in the environment, as they would anywhere."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", amqp_url)
    return amqp_url


@pytest.fixture
def wire(broker_url: str) -> Iterator[Wire]:
    """The broker as any other program sees it."""
    with Wire.connected(broker_url) as wire:
        yield wire
