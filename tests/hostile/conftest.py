"""What the hostile tests share.

Receives a broker's URL from the fixtures above, hands tests a service under attack, a raw
connection and the management API of their virtual host.
"""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.hostile.management import VirtualHost
from tests.hostile.shop import Shop, Take
from tests.hostile.wire import Wire
from toolkit.testing.broker import Broker


@pytest.fixture
def wire(amqp_url: str) -> Iterator[Wire]:
    """A stranger who speaks AMQP by hand."""
    with Wire.connected(amqp_url) as wire:
        yield wire


@pytest.fixture(scope="module")
def besieged_url(rabbitmq: Broker) -> Iterator[str]:
    """The URL of a virtual host for all tests of a module."""
    with rabbitmq.virtual_host(f"siege-{uuid4().hex[:12]}") as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def siege(besieged_url: str) -> AsyncIterator[Shop]:
    """One service that has to stand all that the tests of a module throw at it."""
    async with Shop.open(besieged_url, Take()) as shop:
        yield shop


@pytest.fixture
def shop(siege: Shop) -> Shop:
    """The same service, with nothing to be seen of earlier attacks."""
    siege.forget()
    return siege


@pytest.fixture
def virtual_host(rabbitmq: Broker, amqp_url: str) -> Iterator[VirtualHost]:
    """The test's own virtual host, as its administrator sees it."""
    with VirtualHost.of(rabbitmq, amqp_url) as virtual_host:
        yield virtual_host
