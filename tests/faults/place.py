"""The brokers that a siege may have: one node of each version, and a cluster of three.

Receives nothing but this machine, hands a ground for each place that can be had here.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.faults.cluster import private_cluster
from tests.faults.ground import Ground
from toolkit.testing.broker import BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import DOCKER, HERE, OWN_WAYS
from toolkit.testing.broker.installation import find_installation

Say = Callable[[str], None]

SINGLE = {"a node of this machine's RabbitMQ": HERE, "a node in Docker": DOCKER}
CLUSTER = "three nodes of this machine's RabbitMQ"


class PlaceNotFoundError(Exception):
    """There is no such broker to be had here. The sentence says why."""


@asynccontextmanager
async def place(name: str, say: Say) -> AsyncIterator[Ground]:
    """Start what the place needs. Raises PlaceNotFoundError."""
    if name == CLUSTER:
        installation = find_installation()
        if installation is None:
            raise PlaceNotFoundError("no RabbitMQ is installed on this machine")
        with private_cluster(installation) as brokers:
            async with Ground.on(
                f"{_version(brokers[0].description)}, three nodes", *brokers
            ) as ground:
                yield ground
        return
    way = SINGLE[name]
    try:
        with find_broker(say, ways=[(way, OWN_WAYS[way])]) as broker:
            async with Ground.on(_version(broker.description), broker) as ground:
                yield ground
    except BrokerNotFoundError as missing:
        raise PlaceNotFoundError(str(missing)) from missing


def _version(description: str) -> str:
    """The number in "RabbitMQ 4.0.5, in Docker"."""
    return description.partition(",")[0].removeprefix("RabbitMQ ")
