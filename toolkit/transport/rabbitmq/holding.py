"""Messages of a queue, held for as long as somebody looks at them, and given back in their order.

Receives queues' names, hands `Held`s: the deliveries, of which some may be acked.

What a look does to the order was tried on 3.10 and 4.0. A quorum queue without a delivery limit
puts what is nacked behind all other messages; what a closed channel leaves goes before those that
were never out, but behind others that were given back before. So a queue is always held as a whole,
though not kept in memory as a whole, and given back by closing the channel, in one go. The consumer
is cancelled before anything is acked, so that nothing comes after.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self
from uuid import uuid4

from toolkit.errors import ConnectionLostError, TransportError
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Queue, Topology, Version
from toolkit.transport.rabbitmq.channel import OpenChannel, answered, open_channel
from toolkit.transport.rabbitmq.connection import Link, OneConnection
from toolkit.transport.rabbitmq.declare import Declarer
from toolkit.transport.rabbitmq.deliver import DeliverLane
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.publish import Publisher
from toolkit.transport.rabbitmq.settle import (
    LaneSettler,
    PlainSettler,
    RabbitDelivery,
    Settler,
    delivery_from,
)
from toolkit.transport.rabbitmq.translate import MissingError

_LARGEST_PREFETCH = 65_535  # it has 16 bits; 0 is no limit
_RETURNED_WITHIN = 2.0  # seconds, until a queue has what was given back
_GLANCE = 0.02
_GOODBYE = 3.0  # seconds
_QUIET = 0.5  # seconds without a delivery until it is asked whether there is more


@dataclass(slots=True)
class Held:
    """What is held of one queue, oldest first."""

    queue: str
    ready: int
    """How many messages were there to be held."""
    consumers: int
    """Who else was registered: what they hold can't be seen."""
    most: int
    """How many of them are kept to be looked at."""
    deliveries: list[RabbitDelivery] = field(default_factory=list)
    left: int = 0
    """How many more are held, and were not kept."""

    @property
    def count(self) -> int:
        """How many are held."""
        return len(self.deliveries) + self.left

    @property
    def given_back(self) -> int:
        """How many go back, unless they are acked."""
        return self.left + sum(not delivery.is_settled for delivery in self.deliveries)

    def add(self, delivery: RabbitDelivery) -> None:
        """One more has come."""
        if len(self.deliveries) < self.most:
            self.deliveries.append(delivery)
        else:
            self.left += 1


class Holder:
    """One connection that holds, and one that publishes; neither is mended."""

    def __init__(
        self, consuming: OneConnection, version: Version, address: str, options: RabbitOptions
    ) -> None:
        self._consuming = consuming
        self._version = version
        self.address = address
        """Where the broker is, for people."""
        self._publishing = Link(options, "publish")
        self._publisher: Publisher | None = None
        self._opening = asyncio.Lock()
        self._settlers: list[Settler] = []
        self._channels: list[OpenChannel] = []
        self._tags: list[tuple[OpenChannel, str]] = []
        self._held: list[Held] = []

    @classmethod
    @asynccontextmanager
    async def connected(cls, options: RabbitOptions) -> AsyncIterator[Self]:
        """One try at each node. At the end all that is held and not acked is given back.

        Raises `BrokerUnreachableError`, `AccessRefusedError` or `TlsError`.
        """
        async with AsyncExitStack() as stack:
            link = Link(options, "consume")
            stack.push_async_callback(link.close, _GOODBYE)
            connection = await link.open_once()
            holder = cls(connection, link.version, link.address, options)
            stack.push_async_callback(holder._leave)
            yield holder

    async def hold(self, queue: str, *, most: int) -> Held | None:
        """All that are ready now, the oldest `most` of them to be looked at; None where there is no
        queue. Each counts as delivered once more for the broker. Raises `AccessRefusedError`
        without permission to read.
        """
        channel = await open_channel(self._consuming)
        self._channels.append(channel)
        what = f"looking at queue '{queue}'"
        try:
            declared = await answered(channel.wire.queue_declare(queue, passive=True), what)
        except MissingError:
            return None
        ready, consumers = int(declared.message_count or 0), int(declared.consumer_count or 0)
        held = Held(queue, ready, consumers, most)
        if ready:
            self._held.append(held)
            await self._collect(held, channel)
        return held

    async def _collect(self, held: Held, channel: OpenChannel) -> None:
        wire, more = channel.wire, asyncio.Event()
        settler = self._settler_of(channel, held, more)
        self._settlers.append(settler)
        tag = f"looking.{uuid4().hex}"
        self._tags.append((channel, tag))
        prefetch = held.ready if held.ready <= _LARGEST_PREFETCH else 0
        await answered(wire.basic_qos(prefetch_count=prefetch), "setting a prefetch")
        wire.on_consumer_cancel_callbacks.add(lambda _: more.set())

        async def receive(message: object) -> None:
            held.add(delivery_from(settler, message))  # type: ignore[arg-type]
            more.set()

        await answered(
            wire.basic_consume(held.queue, receive, consumer_tag=tag),
            f"holding messages of queue '{held.queue}', which needs the `read` permission on it,",
        )
        while held.count < held.ready:
            more.clear()
            try:
                async with asyncio.timeout(_QUIET):
                    await more.wait()
            except TimeoutError:
                if not await self._ready(channel, held.queue):
                    break  # somebody else was faster

    async def stop_receiving(self) -> None:
        """Before the first ack, which would make room for more. Until then others can see by the
        number of consumers that somebody holds messages.
        """
        for channel, tag in self._tags:
            if channel.is_open:
                await answered(channel.wire.basic_cancel(tag), "ending a look")
        self._tags.clear()

    async def _ready(self, channel: OpenChannel, queue: str) -> int:
        """How many are ready. Raises `TransportError` if the queue has gone."""
        declared = await answered(
            channel.wire.queue_declare(queue, passive=True), f"looking at queue '{queue}'"
        )
        return int(declared.message_count or 0)

    def _settler_of(self, channel: OpenChannel, held: Held, more: asyncio.Event) -> Settler:
        """On the lane of the connection, as for a consumer."""
        if not self._consuming.is_fast:
            return PlainSettler(channel)
        settler = LaneSettler(channel, self._consuming.stream)

        def receive(tag: int, again: int, where: bytes, properties: bytes, body: bytes) -> None:
            held.add(RabbitDelivery(settler, tag, again, where, properties, body))
            more.set()

        number = channel.wire.number
        self._consuming.stream.claim(number, DeliverLane(number, receive, settler.lose))
        return settler

    async def settle(self) -> None:
        """Tells the broker of every ack, then gives back what was not acked.

        Raises `ConnectionLostError` if a channel was lost before: its acks may have been cut off.
        """
        lost = [channel for channel in self._channels if not channel.is_open]
        was_lost = any(not settler.is_live for settler in self._settlers) and bool(lost)
        await self._release()
        if was_lost:
            raise ConnectionLostError(f"a channel was lost: {lost[0].reason or 'no goodbye'}")

    async def _release(self) -> None:
        for settler in self._settlers:
            await settler.close()
        for channel in self._channels:
            await channel.close()
        self._settlers.clear()
        self._channels.clear()
        await self._until_returned()

    async def _until_returned(self) -> None:
        """A closed channel's messages come back a moment later; the next look wants them all."""
        held, self._held = self._held, []
        if not held:
            return
        channel = await open_channel(self._consuming)
        with suppress(TimeoutError, TransportError):  # a queue may have gone, or others are quick
            async with asyncio.timeout(_RETURNED_WITHIN):
                for one in held:
                    given_back = one.given_back
                    while await self._ready(channel, one.queue) < given_back:  # noqa: ASYNC110 - the broker's
                        await asyncio.sleep(_GLANCE)
        await channel.close()

    async def declare(self, queue: Queue) -> None:
        """Makes sure of a queue. Raises `TopologyError` where one of this name is otherwise."""
        declarer = Declarer(self._consuming, self._version)
        await declarer.apply(Topology(queues=(queue,)), "declare")

    async def publish(self, publication: Publication, *, timeout: timedelta) -> None:
        """Confirmed, mandatory and persistent; see `Transport.publish`."""
        if self._publisher is None:
            await self.open_publisher()
        assert self._publisher is not None
        await self._publisher.publish(publication, timeout)

    async def open_publisher(self) -> None:
        """So that whether one can publish is known before anything is done."""
        async with self._opening:
            if self._publisher is None:
                await self._publishing.open_once()
                publisher = Publisher(self._publishing)
                await publisher.open()
                self._publisher = publisher

    async def _leave(self) -> None:
        try:
            await self._release()
            if self._publisher is not None:
                await self._publisher.close()
        except TransportError:
            pass  # the connection's end gives everything back
        await self._publishing.close(_GOODBYE)
