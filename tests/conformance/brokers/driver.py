"""One small language for two brokers: the one in memory and a RabbitMQ over plain aio-pika.

Receives the steps of a case, hands back what the broker did, in values that can be compared.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Protocol

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq import exceptions as foreign
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel as WireChannel
from pamqp import commands as spec
from yarl import URL

from toolkit.messages.envelope import Envelope
from toolkit.topology.declarations import ExchangeType, Version
from toolkit.transport.memory import MemoryBroker, VirtualClock
from toolkit.transport.memory.broker import USER
from toolkit.transport.memory.channel import Channel, TaggedDelivery
from toolkit.transport.memory.message import NotEncodableError
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.memory.routing import Destination

PATIENCE = 3.0  # seconds that a real broker has to come to what is expected
_GLANCE = 0.004

Table = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A message as it came out."""

    body: str
    exchange: str
    routing_key: str
    is_redelivered: bool
    headers: Table = field(hash=False)
    tag: int = field(compare=False, default=0)
    expiration: str | None = None
    priority: int | None = None

    @property
    def count(self) -> int | None:
        """How often the broker says it was out before."""
        return self.headers.get("x-delivery-count")


@dataclass
class Inbox:
    """What a consumer has been handed, in order."""

    tag: str
    seen: list[Seen] = field(default_factory=list)
    is_cancelled: bool = False

    @property
    def bodies(self) -> list[str]:
        """The bodies."""
        return [each.body for each in self.seen]


class RefusedCallError(Exception):
    """The broker refused a call; the channel is closed, and the driver has opened another."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code} {text}")


class RawBroker(Protocol):
    """What both can do. Names are the case's own; a driver may put something before them."""

    name: str
    version: Version
    user: str

    async def exchange(
        self,
        name: str,
        kind: ExchangeType,
        *,
        is_durable: bool = True,
        is_internal: bool = False,
        **arguments: Any,
    ) -> None: ...

    async def queue(self, name: str, **arguments: Any) -> None: ...

    async def bind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None: ...

    async def unbind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None: ...

    async def bind_exchange(
        self, source: str, destination: str, key: str = "", arguments: Table | None = None
    ) -> None: ...

    async def delete_queue(self, name: str) -> None: ...

    async def delete_exchange(self, name: str) -> None: ...

    async def purge(self, name: str) -> None: ...

    async def publish(
        self,
        exchange: str,
        key: str,
        body: str = "m",
        *,
        headers: Table | None = None,
        priority: int | None = None,
        expiration: str | None = None,
        user_id: str | None = None,
    ) -> str:
        """How it ended: confirmed, refused or returned. Raises `RefusedCallError`."""
        ...

    async def get(self, queue: str) -> Seen | None: ...

    async def consume(self, queue: str, *, prefetch: int = 0) -> Inbox: ...

    async def cancel(self, inbox: Inbox) -> None: ...

    async def ack(self, tag: int) -> None: ...

    async def nack(self, tag: int, *, requeue: bool = True) -> None: ...

    async def reject(self, tag: int, *, requeue: bool = True) -> None: ...

    async def new_channel(self) -> None:
        """Closes the channel, which gives back what is out, and opens another."""
        ...

    async def count(self, queue: str) -> int:
        """How many are ready."""
        ...

    async def wait(self, milliseconds: int) -> None:
        """Lets time pass."""
        ...

    async def eventually(
        self, look: Callable[[], Awaitable[Any]], expected: Any, *, within: float = PATIENCE
    ) -> Any:
        """What a look at the broker shows, as soon as it is what is expected."""
        ...


def compact(arguments: Table) -> Table:
    """Arguments as AMQP spells them: `max_length` is `x-max-length`."""
    names = {"alternate_exchange": "alternate-exchange"}
    return {
        names.get(name, "x-" + name.replace("_", "-")): value for name, value in arguments.items()
    }


class Memory:
    """The broker in memory, with a clock that only the case moves."""

    def __init__(self, version: Version) -> None:
        self.name = f"memory as {version[0]}.{version[1]}"
        self.version = version
        self.user = USER
        self.clock = VirtualClock()
        self.broker = MemoryBroker(version=version, clock=self.clock)
        self._channel = Channel(self.broker)
        self._tags = 0

    async def exchange(
        self,
        name: str,
        kind: ExchangeType,
        *,
        is_durable: bool = True,
        is_internal: bool = False,
        **arguments: Any,
    ) -> None:
        self._call(
            lambda: self.broker.declare_exchange(
                name,
                kind,
                is_durable=is_durable,
                is_internal=is_internal,
                arguments=compact(arguments),
            )
        )

    async def queue(self, name: str, **arguments: Any) -> None:
        self._call(lambda: self.broker.declare_queue(name, arguments=compact(arguments)))

    async def bind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None:
        self._call(lambda: self.broker.bind(source, Destination("queue", queue), key, arguments))

    async def unbind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None:
        self._call(lambda: self.broker.unbind(source, Destination("queue", queue), key, arguments))

    async def bind_exchange(
        self, source: str, destination: str, key: str = "", arguments: Table | None = None
    ) -> None:
        self._call(
            lambda: self.broker.bind(source, Destination("exchange", destination), key, arguments)
        )

    async def delete_queue(self, name: str) -> None:
        self.broker.delete_queue(name)

    async def delete_exchange(self, name: str) -> None:
        self._call(lambda: self.broker.delete_exchange(name))

    async def purge(self, name: str) -> None:
        self._call(lambda: self.broker.purge(name))

    async def publish(
        self,
        exchange: str,
        key: str,
        body: str = "m",
        *,
        headers: Table | None = None,
        priority: int | None = None,
        expiration: str | None = None,
        user_id: str | None = None,
    ) -> str:
        envelope = Envelope(
            body.encode(),
            headers=dict(headers or {}),
            priority=priority,
            expiration=expiration,
            user_id=user_id,
        )
        fate = self._call(lambda: self._channel.publish(envelope, exchange, key))
        return str(fate.value)

    async def get(self, queue: str) -> Seen | None:
        found = self._call(lambda: self._channel.get(queue))
        return None if found is None else _seen(found)

    async def consume(self, queue: str, *, prefetch: int = 0) -> Inbox:
        self._tags += 1
        inbox = Inbox(f"c{self._tags}")
        self._call(
            lambda: self._channel.consume(
                queue,
                inbox.tag,
                lambda found: inbox.seen.append(_seen(found)),
                prefetch=prefetch,
                gone=lambda: setattr(inbox, "is_cancelled", True),
            )
        )
        return inbox

    async def cancel(self, inbox: Inbox) -> None:
        self._channel.cancel(inbox.tag)

    async def ack(self, tag: int) -> None:
        self._call(lambda: self._channel.ack(tag))

    async def nack(self, tag: int, *, requeue: bool = True) -> None:
        self._call(lambda: self._channel.nack(tag, requeue=requeue))

    async def reject(self, tag: int, *, requeue: bool = True) -> None:
        self._call(lambda: self._channel.reject(tag, requeue=requeue))

    async def new_channel(self) -> None:
        self._channel.close()
        self._channel = Channel(self.broker)

    async def count(self, queue: str) -> int:
        return int(self._call(lambda: self.broker.queue(queue)).ready)

    async def wait(self, milliseconds: int) -> None:
        self.clock.jump(timedelta(milliseconds=milliseconds))

    async def eventually(
        self, look: Callable[[], Awaitable[Any]], expected: Any, *, within: float = PATIENCE
    ) -> Any:
        """Nothing in memory is late."""
        return await look()

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Refusal as refusal:
            self._channel.close()
            self._channel = Channel(self.broker)
            raise RefusedCallError(refusal.code, refusal.text) from refusal
        except NotEncodableError as error:
            raise RefusedCallError(0, str(error)) from error


def _seen(found: TaggedDelivery) -> Seen:
    return Seen(
        found.envelope.body.decode(),
        found.exchange,
        found.routing_key,
        found.is_redelivered,
        found.envelope.headers,
        found.tag,
        found.envelope.expiration,
        found.envelope.priority,
    )


class Rabbit:
    """A RabbitMQ. One channel does everything, so its calls keep their order."""

    name = "RabbitMQ"

    def __init__(self, connection: AbstractConnection, version: Version) -> None:
        self.version = version
        self.name = f"RabbitMQ {version[0]}.{version[1]}"
        self.user = "guest"
        self._connection = connection
        self._wire: WireChannel | None = None
        self._tags = 0
        self._ids = count()

    @classmethod
    async def connected(cls, url: str) -> "Rabbit":
        """A driver over a connection of its own."""
        connection = await aio_pika.connect(url)
        assert connection.transport is not None
        said = str(connection.transport.connection.server_properties["version"])
        major, minor = said.split(".")[:2]
        broker = cls(connection, (int(major), int(minor)))
        broker.user = URL(url).user or "guest"
        await broker._open()
        return broker

    async def close(self) -> None:
        """Disconnects."""
        await self._connection.close()

    async def _open(self) -> None:
        channel = self._connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize()
        wire = await channel.get_underlay_channel()
        assert isinstance(wire, WireChannel)
        self._wire = wire

    @property
    def wire(self) -> WireChannel:
        """The channel that is open now."""
        assert self._wire is not None
        return self._wire

    async def exchange(
        self,
        name: str,
        kind: ExchangeType,
        *,
        is_durable: bool = True,
        is_internal: bool = False,
        **arguments: Any,
    ) -> None:
        await self._call(
            self.wire.exchange_declare(
                name,
                exchange_type=kind,
                durable=is_durable,
                internal=is_internal,
                arguments=compact(arguments),
            )
        )

    async def queue(self, name: str, **arguments: Any) -> None:
        await self._call(self.wire.queue_declare(name, durable=True, arguments=compact(arguments)))

    async def bind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None:
        await self._call(self.wire.queue_bind(queue, source, key, arguments=arguments))

    async def unbind(
        self, source: str, queue: str, key: str = "", arguments: Table | None = None
    ) -> None:
        await self._call(self.wire.queue_unbind(queue, source, key, arguments=arguments))

    async def bind_exchange(
        self, source: str, destination: str, key: str = "", arguments: Table | None = None
    ) -> None:
        await self._call(
            self.wire.exchange_bind(destination, source, routing_key=key, arguments=arguments)
        )

    async def delete_queue(self, name: str) -> None:
        await self._call(self.wire.queue_delete(name))

    async def delete_exchange(self, name: str) -> None:
        await self._call(self.wire.exchange_delete(name))

    async def purge(self, name: str) -> None:
        await self._call(self.wire.queue_purge(name))

    async def publish(
        self,
        exchange: str,
        key: str,
        body: str = "m",
        *,
        headers: Table | None = None,
        priority: int | None = None,
        expiration: str | None = None,
        user_id: str | None = None,
    ) -> str:
        properties = spec.Basic.Properties(
            headers=headers,
            priority=priority,
            expiration=expiration,
            user_id=user_id,
            message_id=str(next(self._ids)),
        )
        try:
            await self._call(
                self.wire.basic_publish(
                    body.encode(),
                    exchange=exchange,
                    routing_key=key,
                    properties=properties,
                    mandatory=True,
                )
            )
        except foreign.PublishError:
            return "returned"
        except foreign.DeliveryError:
            return "refused"
        return "confirmed"

    async def get(self, queue: str) -> Seen | None:
        message = await self._call(self.wire.basic_get(queue))
        if isinstance(message.delivery, spec.Basic.GetEmpty):
            return None
        return _received(message)

    async def consume(self, queue: str, *, prefetch: int = 0) -> Inbox:
        self._tags += 1
        inbox = Inbox(f"c{self._tags}-{time.monotonic_ns()}")

        async def receive(message: DeliveredMessage) -> None:
            inbox.seen.append(_received(message))

        await self._call(self.wire.basic_qos(prefetch_count=prefetch))
        self.wire.on_consumer_cancel_callbacks.add(
            lambda frame: (
                setattr(inbox, "is_cancelled", True) if frame.consumer_tag == inbox.tag else None
            )
        )
        await self._call(self.wire.basic_consume(queue, receive, consumer_tag=inbox.tag))
        return inbox

    async def cancel(self, inbox: Inbox) -> None:
        await self._call(self.wire.basic_cancel(inbox.tag))

    async def ack(self, tag: int) -> None:
        await self.wire.basic_ack(tag)

    async def nack(self, tag: int, *, requeue: bool = True) -> None:
        await self.wire.basic_nack(tag, requeue=requeue)

    async def reject(self, tag: int, *, requeue: bool = True) -> None:
        await self.wire.basic_reject(tag, requeue=requeue)

    async def new_channel(self) -> None:
        await self.wire.close()
        await self._open()

    async def count(self, queue: str) -> int:
        declared = await self._call(self.wire.queue_declare(queue, passive=True))
        return int(declared.message_count or 0)

    async def wait(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    async def eventually(
        self, look: Callable[[], Awaitable[Any]], expected: Any, *, within: float = PATIENCE
    ) -> Any:
        """Looks until it is so, or patience ends."""
        deadline = time.monotonic() + within
        while True:
            found = await look()
            if found == expected or time.monotonic() > deadline:
                return found
            await asyncio.sleep(_GLANCE)

    async def _call(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except foreign.ChannelClosed as error:
            await self._open()
            text = str(error)
            names = {"NOT_FOUND": 404, "PRECONDITION_FAILED": 406, "ACCESS_REFUSED": 403}
            names |= {"RESOURCE_LOCKED": 405}
            code = next((names[n] for n in re.findall(r"[A-Z_]{6,}", text) if n in names), 0)
            raise RefusedCallError(code, text) from error


def _received(message: DeliveredMessage) -> Seen:
    delivery, properties = message.delivery, message.header.properties
    assert isinstance(delivery, spec.Basic.Deliver | spec.Basic.GetOk)
    return Seen(
        message.body.decode(),
        delivery.exchange or "",
        delivery.routing_key or "",
        bool(delivery.redelivered),
        dict(properties.headers or {}),
        delivery.delivery_tag or 0,
        properties.expiration,
        properties.priority,
    )
