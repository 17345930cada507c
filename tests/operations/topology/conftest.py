"""The brokers on which topology is changed: each RabbitMQ that there is.

Receives the brokers of the conformance suite, hands each case a virtual host of its own, both doors
to it, and an administrator's view.
"""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from tests.conformance.conftest import rabbitmq_of, rabbits_for
from tests.hostile.management import VirtualHost
from tests.operations.topology.place import Place
from toolkit.operations.address import Address
from toolkit.operations.topology.broker import Broker, reached


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a case on each of them."""
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", rabbits_for(metafunc.config), indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A virtual host of the case's own."""
    broker = rabbitmq_of(request.param, request.config)
    with (
        broker.virtual_host(f"test-{uuid4().hex[:12]}") as url,
        VirtualHost.of(broker, url) as virtual_host,
    ):
        yield Place(url, broker.management_url, virtual_host, broker)


@pytest.fixture
async def broker(place: Place) -> AsyncIterator[Broker]:
    """Both doors of it."""
    async with reached(Address(place.url, "a test", place.management_url)) as broker:
        yield broker
