"""The brokers that every case runs on: the one in memory as three versions, and a RabbitMQ."""

from collections.abc import AsyncIterator

import pytest

from tests.conformance.brokers.driver import Memory, Rabbit, RawBroker
from toolkit.topology.declarations import Version

VERSIONS: dict[str, Version] = {
    "memory-3.10": (3, 10),
    "memory-4.0": (4, 0),
    "memory-4.3": (4, 3),
}


@pytest.fixture(params=[*VERSIONS, "rabbitmq"])
async def raw(request: pytest.FixtureRequest) -> AsyncIterator[RawBroker]:
    """A broker without the toolkit around it."""
    if request.param != "rabbitmq":
        yield Memory(VERSIONS[request.param])
        return
    rabbit = await Rabbit.connected(request.getfixturevalue("amqp_url"))
    yield rabbit
    await rabbit.close()
