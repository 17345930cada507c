"""The port, put together from its parts.

Receives the engine's calls, hands them to the two connections: one publishes, one consumes, so
an alarm that blocks publishers lets consumers finish.
"""

import asyncio
from datetime import timedelta

import structlog

from toolkit.errors import ConfigurationError, TransportError
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Topology
from toolkit.transport.rabbitmq.connection import Link, OneConnection
from toolkit.transport.rabbitmq.consume import Deliver, RabbitSubscriber, Taker
from toolkit.transport.rabbitmq.declare import Declarer
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.publish import Publisher
from toolkit.transport.rabbitmq.settle import RabbitDelivery

log = structlog.get_logger("toolkit.transport")


class RabbitTransport:
    """See `Transport`."""

    def __init__(self, options: RabbitOptions, *, is_consuming: bool) -> None:
        self._options = options
        self._topology = Topology()
        self._declaring = asyncio.Lock()
        self._subscribers: list[RabbitSubscriber] = []
        if is_consuming:
            self._consuming: Link | None = Link(options, "consume", self._declare_again)
            self._publishing = Link(options, "publish")
        else:
            self._consuming = None
            self._publishing = Link(options, "publish", self._declare_again)
        self._publisher = Publisher(self._publishing)
        self._taker = Taker(self._declaring_link)

    @property
    def description(self) -> str:
        """See `Transport`."""
        return f"{self._publishing.product} at {self._publishing.address}"

    async def open(self, topology: Topology) -> None:
        """See `Transport`. The topology is made sure of again after every reconnection."""
        self._topology = topology
        await self._declare(await self._declaring_link.open())
        if self._consuming is not None:
            await self._publishing.open()
        await self._publisher.open()

    async def publish(self, publication: Publication, *, timeout: timedelta) -> None:
        """See `Transport`."""
        await self._publisher.publish(publication, timeout)

    async def subscribe(self, queue: str, *, prefetch: int, deliver: Deliver) -> RabbitSubscriber:
        """See `Transport`."""
        assert self._consuming is not None, "made with is_consuming=False"
        subscriber = RabbitSubscriber(
            self._consuming,
            queue,
            prefetch=prefetch,
            deliver=deliver,
            redeclare=self._redeclare,
        )
        await subscriber.start()
        self._subscribers.append(subscriber)
        return subscriber

    async def count(self, queue: str) -> int:
        """See `Transport`."""
        return await self._taker.count(queue)

    async def take(self, queue: str) -> RabbitDelivery | None:
        """See `Transport`."""
        return await self._taker.take(queue)

    async def close(self) -> None:
        """See `Transport`."""
        await self._taker.close()
        for subscriber in self._subscribers:
            await subscriber.stop()
            await subscriber.close()
        self._subscribers.clear()
        await self._publisher.close()
        for link in (self._publishing, self._consuming):
            if link is not None:
                await link.close()

    @property
    def _declaring_link(self) -> Link:
        return self._consuming or self._publishing

    async def _declare(self, connection: OneConnection) -> None:
        async with self._declaring:
            declarer = Declarer(connection, self._declaring_link.version)
            await declarer.apply(self._topology, self._options.topology)

    async def _declare_again(self, connection: OneConnection) -> None:
        """Later differences are reported, not fatal: what still works goes on."""
        try:
            await self._declare(connection)
        except (ConfigurationError, TransportError) as error:
            log.error("the topology can't be declared again", error=str(error))

    async def _redeclare(self) -> None:
        await self._declare_again(await self._declaring_link.ready())
