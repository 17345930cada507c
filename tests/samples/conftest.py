"""What the tests of the samples share.

Receives a broker's URL from the fixtures above, hands it to both services as their environment.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from demo.mail_server import MailServer
from tests.samples.wire import Wire


@pytest.fixture
def broker_url(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The services find their broker in the environment, as they would anywhere."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", amqp_url)
    return amqp_url


@pytest.fixture
def memory_url(monkeypatch: pytest.MonkeyPatch) -> str:
    """A broker in memory, for what a broker hardly matters to."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "memory://")
    return "memory://"


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    async with MailServer().running() as server:
        yield server


@pytest.fixture
def wire(broker_url: str) -> Iterator[Wire]:
    """The broker as any other program sees it."""
    with Wire.connected(broker_url) as wire:
        yield wire
