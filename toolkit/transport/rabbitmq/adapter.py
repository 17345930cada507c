"""The port, put together from its parts.

Receives the engine's calls, hands them to the two connections: one publishes, one consumes, so
an alarm that blocks publishers lets consumers finish.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import structlog

from toolkit.errors import (
    BrokerUnreachableError,
    ConnectionLostError,
    Difference,
    TopologyError,
    TransportError,
)
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Topology
from toolkit.topology.drift import drift_of
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.condition import ConnectionCondition
from toolkit.transport.rabbitmq.connection import Link, OneConnection
from toolkit.transport.rabbitmq.consume import Deliver, RabbitSubscriber, Taker
from toolkit.transport.rabbitmq.declare import Declarer
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.publish import Publisher
from toolkit.transport.rabbitmq.settle import RabbitDelivery

log = structlog.get_logger("toolkit.transport")


_SHORTLY = 0.5  # seconds for a goodbye to a connection that was no good


class RabbitTransport:
    """See `Transport`."""

    def __init__(self, options: RabbitOptions, *, is_consuming: bool) -> None:
        self._options = options
        self._is_consuming = is_consuming
        self._topology = Topology()
        self._declaring = asyncio.Lock()
        self._subscribers: list[RabbitSubscriber] = []
        self._set_up()

    def _set_up(self) -> None:
        if self._is_consuming:
            self._consuming: Link | None = Link(self._options, "consume", self._declare_again)
            self._publishing = Link(self._options, "publish")
        else:
            self._consuming = None
            self._publishing = Link(self._options, "publish", self._declare_again)
        self._publisher = Publisher(self._publishing)
        self._taker = Taker(self._declaring_link)

    @property
    def description(self) -> str:
        """See `Transport`."""
        return f"{self._publishing.product} at {self._publishing.address}"

    @property
    def connections(self) -> tuple[ConnectionCondition, ...]:
        """See `Transport`. One publishes, and one consumes where there is something to consume."""
        return tuple(link.condition for link in self._links)

    @property
    def clock(self) -> Clock:
        """See `Transport`. A broker's time is the wall's."""
        return WALL

    async def open(self, topology: Topology) -> None:
        """See `Transport`. The topology is made sure of again after every reconnection."""
        self._topology = topology
        seconds = self._options.connect_timeout.total_seconds()
        last: TransportError | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._open_once()
                    except ConnectionLostError as error:
                        last = error
                        await self._disconnect(_SHORTLY)
                        self._set_up()
        except TimeoutError:
            last = self._publishing.last_problem or self._declaring_link.last_problem or last
            silent = f"no answer from {self._declaring_link.address}"
            raise BrokerUnreachableError(
                f"no broker within {seconds:g}s; {last or silent}. Is it running, and is "
                "TOOLKIT_AMQP_URL right?"
            ) from last

    async def _open_once(self) -> None:
        await self._declare(await self._declaring_link.open())
        if self._consuming is not None:
            await self._publishing.open()
        await self._publisher.open()

    def publish(self, publication: Publication, *, timeout: timedelta) -> Coroutine[Any, Any, None]:
        """See `Transport`."""
        return self._publisher.publish(publication, timeout)

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

    async def close(self, *, within: timedelta = timedelta(seconds=6)) -> None:
        """See `Transport`."""
        seconds = within.total_seconds() / 2
        try:
            async with asyncio.timeout(seconds):
                await self._taker.close()
                for subscriber in self._subscribers:
                    await subscriber.stop()
                    await subscriber.close()
                await self._publisher.close()
        except TimeoutError:
            log.warning("the broker doesn't answer; leaving without a goodbye")
        self._subscribers.clear()
        await self._disconnect(seconds)

    def lose_connection(self) -> None:
        """Cuts the connections, as the network would; they are mended as after any cut."""
        for link in self._links:
            link.cut()

    async def _disconnect(self, within: float) -> None:
        await asyncio.gather(*(link.close(within) for link in self._links))

    @property
    def _links(self) -> list[Link]:
        return [link for link in (self._publishing, self._consuming) if link is not None]

    @property
    def _declaring_link(self) -> Link:
        return self._consuming or self._publishing

    async def _declare(self, connection: OneConnection, *, all_or_nothing: bool = True) -> None:
        async with self._declaring:
            declarer = Declarer(connection, self._declaring_link.version)
            await declarer.apply(
                self._topology, self._options.topology, all_or_nothing=all_or_nothing
            )

    async def _declare_again(self, connection: OneConnection) -> None:
        """Later differences are reported, not fatal: what still works goes on."""
        differences: Sequence[Difference] = ()
        try:
            await self._declare(connection, all_or_nothing=False)
        except TopologyError as error:
            log.error("the topology can't be declared again", error=str(error))
            differences = error.differences
        except TransportError as error:
            log.error("the topology can't be declared again", error=str(error))
            return
        for subscriber in self._subscribers:
            subscriber.compare(drift_of(subscriber.queue, differences))

    async def _redeclare(self) -> None:
        await self._declare_again(await self._declaring_link.ready())
