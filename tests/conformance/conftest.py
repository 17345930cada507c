"""The brokers that every case of the conformance suite runs on.

Receives a broker in memory, the same behind its socket, and from the toolkit's own plugin the
RabbitMQ of this machine and one in a container, hands each case one of them. A broker that the
command line or the environment names takes the place of both RabbitMQs.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.conformance.brokers.driver import Memory, Rabbit, RawBroker
from tests.conformance.outsider import MemoryOutsider, Outsider, RabbitOutsider
from tests.conformance.tally import BROKER, Record
from tests.outsider import outside
from toolkit.embedded import EmbeddedBroker
from toolkit.testing.broker import Broker, BrokerNotFoundError
from toolkit.testing.broker.finder import DOCKER, HERE
from toolkit.testing.plugin import find_or_skip, search_of, ways_to_rabbitmq
from toolkit.topology.declarations import Version

VERSIONS: dict[str, Version] = {
    "memory-3.10": (3, 10),
    "memory-4.0": (4, 0),
    "memory-4.3": (4, 3),
}
EMBEDDED = "embedded-4.0"
"""The broker in memory, reached as a RabbitMQ is, by the same drivers."""
OWN = {"rabbitmq-here": HERE, "rabbitmq-docker": DOCKER}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a case on each broker that its fixture stands for."""
    rabbits = rabbits_for(metafunc.config)
    for fixture, kinds in (
        ("rabbit_url", rabbits),
        ("raw", [*VERSIONS, EMBEDDED, *rabbits]),
        ("outsider", ["memory-4.0", EMBEDDED, *rabbits]),
    ):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, kinds, indirect=True)


def rabbits_for(config: pytest.Config) -> list[str]:
    """Both of our own, or the one that was asked for."""
    is_named = config.getoption("--broker") != "memory" or os.environ.get("TOOLKIT_TEST_AMQP_URL")
    return ["rabbitmq"] if is_named else list(OWN)


@pytest.fixture
def rabbit_url(request: pytest.FixtureRequest, record_property: Record) -> Iterator[str]:
    """A virtual host of the case's own, on each RabbitMQ."""
    yield from virtual_host(request.param, request.config, record_property)


@pytest.fixture
async def raw(request: pytest.FixtureRequest, record_property: Record) -> AsyncIterator[RawBroker]:
    """A broker without the toolkit around it, as several versions in memory."""
    if request.param in VERSIONS:
        memory = Memory(VERSIONS[request.param])
        record_property(BROKER, memory.name)
        yield memory
        return
    if request.param == EMBEDDED:
        async with embedded(record_property) as url:
            rabbit = await Rabbit.connected(url)
            yield rabbit
            await rabbit.close()
        return
    for url in virtual_host(request.param, request.config, record_property):
        rabbit = await Rabbit.connected(url)
        yield rabbit
        await rabbit.close()


@pytest.fixture
async def outsider(
    request: pytest.FixtureRequest, record_property: Record
) -> AsyncIterator[Outsider]:
    """Somebody else on the broker of a service."""
    if request.param in VERSIONS:
        record_property(BROKER, "memory as 4.0")
        yield MemoryOutsider()
        return
    if request.param == EMBEDDED:
        async with embedded(record_property) as url, outside(url) as client:
            yield RabbitOutsider(url, client)
        return
    for url in virtual_host(request.param, request.config, record_property):
        async with outside(url) as client:
            yield RabbitOutsider(url, client)


@asynccontextmanager
async def embedded(record_property: Record) -> AsyncIterator[str]:
    """The broker in memory behind a socket, in the loop of the case."""
    record_property(BROKER, "embedded as 4.0")
    async with EmbeddedBroker(version=(4, 0)) as broker:
        yield broker.url


def virtual_host(kind: str, config: pytest.Config, record_property: Record) -> Iterator[str]:
    """One on a RabbitMQ of this kind, which is noted for the summary."""
    record_property(BROKER, OWN.get(kind, "RabbitMQ"))
    broker = rabbitmq_of(kind, config)
    record_property(BROKER, " ".join(broker.description.split()[:2]).rstrip(","))
    with broker.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url


def rabbitmq_of(kind: str, config: pytest.Config) -> Broker:
    """The RabbitMQ of this kind. Ends the case where there is none; where none at all, it fails
    if one is required.
    """
    if kind not in OWN:
        return find_or_skip(config, ways_to_rabbitmq(config))
    try:
        return search_of(config).find([OWN[kind]])
    except BrokerNotFoundError as missing:
        reason = missing.tried[0]
    other = find_or_skip(config, ways_to_rabbitmq(config))
    if kind == "rabbitmq-here" and "in Docker" not in other.description:
        return other  # installed just now, for want of any other
    pytest.skip(reason)
