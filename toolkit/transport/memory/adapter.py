"""The port over a broker in this process, put together from its parts.

Receives the engine's calls, hands them to the broker and its answers back as the port's errors.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from toolkit.errors import Difference, TopologyError, TransportError
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Topology, TopologyMode
from toolkit.topology.drift import drift_of
from toolkit.transport.clock import Clock
from toolkit.transport.condition import ConnectionCondition
from toolkit.transport.memory.broker import MemoryBroker
from toolkit.transport.memory.connection import Connection
from toolkit.transport.memory.consume import Deliver, MemoryDelivery, MemorySubscriber, Taker
from toolkit.transport.memory.consumer import close_all
from toolkit.transport.memory.declare import apply
from toolkit.transport.memory.publish import Publisher

_GOODBYE = timedelta(seconds=5)
_BETWEEN_TRIES = timedelta(seconds=1)

log = structlog.get_logger("toolkit.transport")


class MemoryTransport:
    """See `Transport`. Transports that share a broker are services on one RabbitMQ."""

    def __init__(
        self, broker: MemoryBroker, *, service: str, topology: TopologyMode = "declare"
    ) -> None:
        self._broker = broker
        self._mode: TopologyMode = topology
        self._topology = Topology()
        self._subscribers: list[MemorySubscriber] = []
        self._connection = Connection(broker, service, lose=self._lose, mend=self._mend_all)
        self._publisher = Publisher(broker, self._connection)
        self._taker = Taker(broker, service, self._loses_ack)

    @property
    def description(self) -> str:
        """See `Transport`."""
        major, minor = self._broker.version
        return f"a broker in memory, as RabbitMQ {major}.{minor}"

    @property
    def connections(self) -> tuple[ConnectionCondition, ...]:
        """See `Transport`. There is one, for both purposes."""
        return (self._connection.condition,)

    @property
    def clock(self) -> Clock:
        """See `Transport`."""
        return self._broker.clock

    async def open(self, topology: Topology) -> None:
        """See `Transport`. The topology is made sure of again after every reconnection."""
        self._topology = topology
        apply(self._broker, topology, self._mode)
        self._connection.open()

    async def publish(self, publication: Publication, *, timeout: timedelta) -> None:
        """See `Transport`."""
        await self._publisher.publish(publication, timeout)

    async def subscribe(self, queue: str, *, prefetch: int, deliver: Deliver) -> MemorySubscriber:
        """See `Transport`."""
        await self._connection.up_before(None)
        subscriber = MemorySubscriber(
            self._broker,
            queue,
            service=self._connection.service,
            prefetch=prefetch,
            deliver=deliver,
            loses_ack=self._loses_ack,
            on_cancel=lambda: self._connection.soon(lambda: self._mend(subscriber)),
        )
        subscriber.register()
        self._subscribers.append(subscriber)
        return subscriber

    async def count(self, queue: str) -> int:
        """See `Transport`."""
        await self._connection.up_before(None)
        return self._taker.count(queue)

    async def take(self, queue: str) -> MemoryDelivery | None:
        """See `Transport`."""
        await self._connection.up_before(None)
        return self._taker.take(queue)

    async def close(self, *, within: timedelta = _GOODBYE) -> None:
        """See `Transport`. Marks have reached their queue when they were made."""
        for subscriber in self._subscribers:
            await subscriber.stop()
        self._connection.close()
        self._subscribers.clear()

    def lose_connection(self) -> None:
        """Cuts it, as the network would; it is back on the next turn of the event loop."""
        self._connection.cut()

    def _loses_ack(self, queue: str) -> bool:
        faults = self._broker.faults
        if not faults.is_ordered or not faults.for_ack(queue):
            return False
        self._connection.cut()
        return True

    def _lose(self) -> int:
        consumers = [one for subscriber in self._subscribers for one in subscriber.forget()]
        return close_all([*consumers, *self._taker.forget()])

    def _mend_all(self) -> None:
        for subscriber in self._subscribers:
            self._mend(subscriber)

    def _mend(self, subscriber: MemorySubscriber) -> None:
        """Declares and consumes again; what still can't be done is tried for ever, loudly."""
        if not self._connection.is_up or subscriber not in self._subscribers:
            return
        differences: Sequence[Difference] = ()
        try:
            apply(self._broker, self._topology, self._mode, all_or_nothing=False)
        except TopologyError as error:
            log.error("the topology can't be declared again", error=str(error))
            differences = error.differences
        for each in self._subscribers:
            each.compare(drift_of(each.queue, differences))
        try:
            subscriber.register()
        except TransportError as error:
            log.error("consumer can't be registered", queue=subscriber.queue, error=str(error))
            self._broker.clock.call_later(_BETWEEN_TRIES, lambda: self._mend(subscriber))
