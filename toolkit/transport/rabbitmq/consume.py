"""Messages in: a queue's deliveries handed over as they come, or taken one by one.

Receives frames from a channel of the consuming connection, hands `RabbitDelivery`s to a pump.
Each consumer has a channel and a task of its own that keeps it registered, so what fails for
one does not hold up another.
"""

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel as WireChannel
from pamqp.commands import Basic

from toolkit.errors import ConnectionLostError, TransportError
from toolkit.transport.clock import WALL
from toolkit.transport.condition import ConsumerCondition, ConsumerState
from toolkit.transport.port import Delivery
from toolkit.transport.rabbitmq.channel import OpenChannel, answered, open_channel
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.deliver import DeliverLane
from toolkit.transport.rabbitmq.guard import GuardedConnection
from toolkit.transport.rabbitmq.settle import (
    LaneSettler,
    PlainSettler,
    RabbitDelivery,
    Settler,
    delivery_from,
    first_of,
)

log = structlog.get_logger("toolkit.transport")

Deliver = Callable[[Delivery], None]

_LONGEST_PAUSE = 30.0
_LONGEST_TAG = 200
_CANCEL_TIMEOUT = 3.0  # seconds at a shutdown; a broker that is silent then is left to itself


class RabbitSubscriber:
    """See `Subscriber`."""

    def __init__(
        self,
        link: Link,
        queue: str,
        *,
        prefetch: int,
        deliver: Deliver,
        redeclare: Callable[[], Awaitable[None]],
    ) -> None:
        self._link = link
        self.queue = queue
        self._prefetch = prefetch
        self._deliver = deliver
        self._redeclare = redeclare
        self._tag = f"{queue[:_LONGEST_TAG]}@{socket.gethostname()[:30]}:{os.getpid()}"
        self._channel: OpenChannel | None = None
        self._settler: Settler | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._drift: str | None = None
        self.condition = ConsumerCondition(queue=queue, since=WALL.now())

    async def start(self) -> None:
        """Registers, and keeps it so. Raises a `TransportError` if the first try is refused."""
        await self._register()
        self._keeper = asyncio.create_task(self._keep(), name=f"consume {self.queue}")

    async def suspend(self) -> None:
        """See `Subscriber`."""
        await self._end("suspended")

    async def resume(self, *, prefetch: int) -> None:
        """See `Subscriber`. On another channel: what is still out is settled on the old one."""
        self._prefetch = prefetch
        self._retire()
        self._keeper = asyncio.create_task(self._keep_again(), name=f"consume {self.queue}")

    async def stop(self) -> None:
        """See `Subscriber`."""
        await self._end("stopped")

    async def _keep_again(self) -> None:
        await self._register_again()
        await self._keep()

    async def _end(self, why: str) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._become(ConsumerState.UNREGISTERED, why)
        if self._channel is not None and self._channel.is_open:
            with suppress(TransportError):  # gone is what was wanted
                await answered(
                    self._channel.wire.basic_cancel(self._tag),
                    f"cancelling the consumer of '{self.queue}'",
                    within=_CANCEL_TIMEOUT,
                )

    async def close(self) -> None:
        """Tells the last marks, then closes the channel."""
        for retiring in self._retiring:
            retiring.cancel()
        if self._settler is not None:
            await self._settler.close()

    def compare(self, drift: str | None) -> None:
        """Notes what the broker holds otherwise than declared of its queue; None for nothing."""
        self._drift = drift
        if self.condition.is_registered:
            self._become_registered()

    def _become_registered(self) -> None:
        self.condition = self.condition.register(self._drift, at=WALL.now())

    def _become(self, state: ConsumerState, reason: str | None) -> None:
        self.condition = self.condition.become(state, at=WALL.now(), reason=reason)

    async def _register(self) -> None:
        connection = await self._link.ready()
        channel = await open_channel(connection)
        self._lost = lost = asyncio.Event()
        settler = self._settler_of(channel, connection)
        try:
            await answered(
                channel.wire.basic_qos(prefetch_count=self._prefetch),
                f"setting the prefetch of '{self.queue}'",
            )
            channel.wire.on_consumer_cancel_callbacks.add(lambda _: lost.set())
            await answered(
                channel.wire.basic_consume(
                    self.queue, self._receiver(settler), consumer_tag=self._tag
                ),
                f"consuming queue '{self.queue}', which needs the `read` permission on it,",
            )
        except BaseException:
            # Also when cancelled: a consumer that nobody knows of must not go on receiving.
            await settler.close()
            raise
        self._channel, self._settler = channel, settler
        self._become_registered()

    def _settler_of(self, channel: OpenChannel, connection: GuardedConnection) -> Settler:
        """Settles on the lane of the connection; on a fast one deliveries come past the library."""
        if not connection.is_fast:
            return PlainSettler(channel)
        deliver = self._deliver
        settler = LaneSettler(channel, connection.stream)

        def receive(tag: int, again: int, where: bytes, properties: bytes, body: bytes) -> None:
            deliver(RabbitDelivery(settler, tag, again, where, properties, body))

        number = channel.wire.number
        connection.stream.claim(number, DeliverLane(number, receive, settler.lose))
        return settler

    def _receiver(
        self, settler: Settler
    ) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        deliver = self._deliver

        async def receive(message: DeliveredMessage) -> None:
            deliver(delivery_from(settler, message))

        return receive

    async def _keep(self) -> None:
        while True:
            reason = await self._until_lost()
            self._become(ConsumerState.UNREGISTERED, reason)
            log.warning("consumer lost", queue=self.queue, reason=reason)
            self._retire()
            await self._register_again()
            log.info("consumer registered again", queue=self.queue)

    def _retire(self) -> None:
        """What is out on the old channel can still be settled there, if the channel is open."""
        if self._settler is not None:
            retiring = asyncio.create_task(self._settler.retire())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def _until_lost(self) -> str:
        """Why."""
        assert self._channel is not None
        await first_of(self._channel.gone, self._lost)
        if self._lost.is_set():
            return "the broker cancelled it: its queue was deleted, or moved"
        said = str(self._channel.reason or "") or "the connection was lost"
        return f"its channel was closed: {said}"

    async def _register_again(self) -> None:
        failures = 0
        while True:
            await self._link.ready()
            try:
                if failures or self._lost.is_set():
                    await self._redeclare()
                await self._register()
                return
            except ConnectionLostError as error:
                self._become(ConsumerState.UNREGISTERED, str(error))
                log.warning("consumer not registered yet", queue=self.queue, error=str(error))
            except TransportError as error:
                self._become(ConsumerState.UNREGISTERED, str(error))
                log.error("consumer can't be registered", queue=self.queue, error=str(error))
            failures += 1
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.2 * 2 ** min(failures, 8))))


class Taker:
    """Looks into queues and takes single messages, on a channel of its own."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._settler: PlainSettler | None = None
        self._channel: OpenChannel | None = None

    async def count(self, queue: str) -> int:
        """See `Transport`."""
        settler, wire = await self._open()
        await settler.flush()  # counted as it is after what was said before
        answer = await answered(
            wire.queue_declare(queue, passive=True), f"counting queue '{queue}'"
        )
        return int(answer.message_count or 0)

    async def take(self, queue: str) -> RabbitDelivery | None:
        """See `Transport`."""
        settler, wire = await self._open()
        await settler.flush()
        message = await answered(wire.basic_get(queue), f"taking from queue '{queue}'")
        if isinstance(message.delivery, Basic.GetEmpty):
            return None
        return delivery_from(settler, message)

    async def close(self) -> None:
        """Tells the last marks, then closes the channel."""
        if self._settler is not None:
            await self._settler.close()

    async def _open(self) -> tuple[PlainSettler, WireChannel]:
        if self._channel is None or self._settler is None or not self._channel.is_open:
            await self.close()
            self._channel = channel = await open_channel(await self._link.ready())
            self._settler = PlainSettler(channel)
            channel.wire.closing.add_done_callback(lambda _: self._forget(channel))
        return self._settler, self._channel.wire

    def _forget(self, channel: OpenChannel) -> None:
        """It may be long until the next look, and a channel keeps its whole connection."""
        if channel is self._channel:
            self._channel = self._settler = None
