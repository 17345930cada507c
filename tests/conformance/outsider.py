"""A broker as the cases of the settlement table need it: seen from outside, by one protocol.

Receives a RabbitMQ's URL or a broker in memory, hands cases what lies in queues, takes their raw
messages, and loses what they want lost on the way to a service.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol

from tests import outsider as plain
from tests.outsider import Taken, eventually
from tests.proxy import Proxy, lying_network
from toolkit.messages.envelope import Envelope
from toolkit.transport.memory import Fate, MemoryBroker, broker_named
from toolkit.transport.memory.channel import Channel
from toolkit.transport.memory.message import Payload
from toolkit.transport.memory.routing import Destination


class Network(Protocol):
    """What lies between a service and its broker."""

    url: str

    def lose_confirms(self, exchange: str, routing_key: str) -> None:
        """Such publishes arrive at the broker, and their confirms don't come back."""

    def cut(self) -> None:
        """The service loses its connections; it may have new ones at once."""

    def cut_for_good(self) -> None:
        """The service loses its connections, and gets no others."""


class Outsider(Protocol):
    """Another client of the same broker, who may delete what is the service's."""

    url: str

    async def publish(
        self, body: bytes, *, exchange: str = "", routing_key: str = "", **properties: Any
    ) -> None:
        """One raw message, confirmed; `expiration` is in seconds."""

    async def count(self, queue: str) -> int:
        """How many messages are ready in a queue."""
        ...

    async def take(self, queue: str) -> Taken:
        """The next message of a queue, taken out of it as soon as there is one."""
        ...

    async def settled(self, queue: str, *, ready: int) -> None:
        """Waits until a queue holds that many ready messages."""

    async def listen(self, queue: str, routing_key: str) -> None:
        """Makes a queue of somebody else's on the events bus."""

    async def delete_exchange(self, name: str) -> None:
        """Takes an exchange away."""

    def network(self) -> AbstractAsyncContextManager[Network]:
        """A network to this broker that can be told to fail."""
        ...


class RabbitOutsider:
    """See `Outsider`: plain aio-pika, and a proxy for a network."""

    def __init__(self, url: str, client: plain.Outsider) -> None:
        self.url = url
        self.publish = client.publish
        self.count = client.count
        self.settled = client.settled
        self._client = client

    async def take(self, queue: str) -> Taken:
        return await self._client.take(queue)

    async def listen(self, queue: str, routing_key: str) -> None:
        channel = self._client.channel
        await channel.declare_exchange("events", "topic", durable=True)
        await (await channel.declare_queue(queue)).bind("events", routing_key)

    async def delete_exchange(self, name: str) -> None:
        await self._client.channel.exchange_delete(name)

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Network]:
        async with lying_network(self.url) as proxy:
            yield _ProxiedNetwork(proxy)


class _ProxiedNetwork:
    """A proxy doesn't know one publish from another: it loses every confirm until it is cut."""

    def __init__(self, proxy: Proxy) -> None:
        self.url = proxy.url
        self.cut = proxy.cut
        self._proxy = proxy

    def lose_confirms(self, exchange: str, routing_key: str) -> None:
        self._proxy.hold_answers("publish")

    def cut_for_good(self) -> None:
        self._proxy.is_refusing = True
        self._proxy.cut()


class MemoryOutsider:
    """See `Outsider`: calls on the broker, and its own faults for a network."""

    url = "memory://settlement"

    def __init__(self) -> None:
        self._broker: MemoryBroker = broker_named(self.url)
        self._channel = Channel(self._broker)

    async def publish(
        self, body: bytes, *, exchange: str = "", routing_key: str = "", **properties: Any
    ) -> None:
        if "expiration" in properties:
            properties["expiration"] = str(properties["expiration"] * 1000)
        envelope = Envelope(body, **properties)
        assert self._channel.publish(envelope, exchange, routing_key) is Fate.CONFIRMED

    async def count(self, queue: str) -> int:
        return self._broker.queue(queue).ready

    async def take(self, queue: str) -> Taken:
        await eventually(lambda: self._broker.queue(queue).ready > 0, what=f"some in '{queue}'")
        found = self._channel.get(queue)
        assert found is not None
        self._channel.ack(found.tag)
        envelope = found.envelope
        return Taken(
            envelope.body,
            envelope.message_id,
            envelope.correlation_id,
            envelope.type,
            envelope.reply_to,
            envelope.app_id,
            envelope.priority,
            dict(envelope.headers),
        )

    async def settled(self, queue: str, *, ready: int) -> None:
        found = self._broker.queue(queue)
        await eventually(lambda: found.ready == ready, what=f"{ready} messages in '{queue}'")

    async def listen(self, queue: str, routing_key: str) -> None:
        self._broker.declare_exchange("events", "topic")
        self._broker.declare_queue(queue)
        self._broker.bind("events", Destination("queue", queue), routing_key)

    async def delete_exchange(self, name: str) -> None:
        self._broker.delete_exchange(name)

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Network]:
        yield _MemoryNetwork(self.url, self._broker)


class _MemoryNetwork:
    """A lost confirm takes the connection with it, and it doesn't come back."""

    def __init__(self, url: str, broker: MemoryBroker) -> None:
        self.url = url
        self._broker = broker

    def lose_confirms(self, exchange: str, routing_key: str) -> None:
        def matches(service: str, payload: Payload) -> bool:
            is_meant = (payload.exchange, payload.routing_keys[0]) == (exchange, routing_key)
            if is_meant:
                asyncio.get_running_loop().call_soon(self.cut_for_good)
            return is_meant

        self._broker.lose_confirm(matches)

    def cut(self) -> None:
        self._broker.drop_connection("shop")

    def cut_for_good(self) -> None:
        self._broker.drop_connection("shop", down_for=timedelta(days=1))
