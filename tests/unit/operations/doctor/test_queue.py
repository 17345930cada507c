"""What only a cluster in trouble shows: queues that are there, and out of reach."""

from contextlib import AsyncExitStack

import pytest

from tests.operations.shop import Shop
from toolkit.embedded import EmbeddedBroker
from toolkit.errors import ConnectionLostError, TransportError
from toolkit.operations.doctor.queue import Seen, queues, topology
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.inspector import Inspector, QueueState, require_absence
from toolkit.transport.rabbitmq.translate import MissingError

DOWN = "NOT_FOUND - home node 'rabbit@b' of durable queue 'q' in vhost '/' is down or inaccessible"


def test_a_queue_whose_node_is_down_is_not_taken_for_missing() -> None:
    """The broker calls both NOT_FOUND."""
    require_absence(
        MissingError("looking at queue 'q' failed: NOT_FOUND - no queue 'q' in vhost '/'")
    )
    with pytest.raises(TransportError, match="is down"):
        require_absence(MissingError(f"looking at queue 'q' failed: {DOWN}"))


def test_a_queue_out_of_reach_is_wrong_and_the_others_are_still_seen() -> None:
    """One node's trouble isn't everybody's."""
    service = Shop("amqp://localhost/").service
    names = [queue.name for queue in service.topology.queues]
    states: dict[str, QueueState | TransportError | None] = dict.fromkeys(names, QueueState(0, 1))
    states["shop.handle"] = TransportError(DOWN)
    exchanges = {exchange.name: True for exchange in service.topology.exchanges}
    (wrong,) = topology(service, Seen(states, exchanges, ()), "/")
    assert wrong.status == "wrong"
    assert "queue 'shop.handle' is there and can't be used" in wrong.sentence


async def test_a_connection_that_is_lost_says_nothing_of_a_queue() -> None:
    """It isn't there any more to be asked."""
    async with AsyncExitStack() as stack:
        async with EmbeddedBroker() as broker:
            options = RabbitOptions(urls=(broker.url,), service="doctor")
            inspector = await stack.enter_async_context(Inspector.connected(options))
        service = Shop("amqp://localhost/").service
        with pytest.raises(ConnectionLostError):
            await queues(service, "shop", inspector, fail_on_dead_letters=False)
