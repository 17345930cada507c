"""Messages in: a queue's deliveries handed over, and their marks told to the broker.

Receives frames from a channel of the consuming connection, hands `RabbitDelivery`s to a pump.
Each consumer has a channel and a task of its own that keeps it registered, so what fails for
one does not hold up another.
"""

import asyncio
import os
import random
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel as WireChannel
from pamqp.commands import Basic

from toolkit.errors import ConnectionLostError, TransportError
from toolkit.messages import headers
from toolkit.messages.envelope import Envelope
from toolkit.transport.port import Delivery
from toolkit.transport.rabbitmq.channel import OpenChannel, answered, open_channel
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.translate import LOST, envelope_from, was_cancelled

log = structlog.get_logger("toolkit.transport")

Deliver = Callable[[Delivery], None]

_LONGEST_PAUSE = 30.0
_LONGEST_TAG = 200


class Mark(Enum):
    """What the engine said of a delivery."""

    ACK = "ack"
    REJECT = "reject"
    GIVE_BACK = "give back"


class Settler:
    """Tells the broker of marks, for one channel, in the order in which they were made."""

    def __init__(self, channel: OpenChannel) -> None:
        self._channel = channel
        self._marks: deque[tuple[int, Mark]] = deque()
        self._made = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()
        self._teller = asyncio.create_task(self._tell(), name="settler")

    @property
    def is_live(self) -> bool:
        """Whether a mark can still reach the broker."""
        return self._channel.is_open

    def mark(self, tag: int, mark: Mark) -> None:
        """Notes a mark; on a channel that is gone the broker will deliver again."""
        if self._channel.is_open:
            self._marks.append((tag, mark))
            self._told.clear()
            self._made.set()

    async def flush(self) -> None:
        """Returns once every mark is on its way, or has become pointless."""
        gone = asyncio.create_task(self._channel.gone.wait())
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait({gone, told}, return_when="FIRST_COMPLETED")
        gone.cancel()
        told.cancel()

    async def close(self) -> None:
        """Flushes, then closes the channel, which the broker answers after the last mark."""
        await self.flush()
        await self._channel.close()
        self._teller.cancel()
        with suppress(asyncio.CancelledError):
            await self._teller

    async def _tell(self) -> None:
        wire = self._channel.wire
        try:
            while True:
                await self._made.wait()
                self._made.clear()
                while self._marks:
                    await _say(wire, *self._marks.popleft())
                self._told.set()
        except asyncio.CancelledError:
            if was_cancelled():
                raise
        except LOST as error:
            log.debug("settlements lost with their channel", count=len(self._marks), error=error)
        finally:
            self._marks.clear()
            self._told.set()


async def _say(wire: WireChannel, tag: int, mark: Mark) -> None:
    """Reject means "this failed", nack "I give it back": from 4.3 on only the first counts."""
    match mark:
        case Mark.ACK:
            await wire.basic_ack(tag, wait=False)
        case Mark.REJECT:
            await wire.basic_reject(tag, requeue=True, wait=False)
        case Mark.GIVE_BACK:
            await wire.basic_nack(tag, requeue=True, wait=False)


class RabbitDelivery:
    """See `Delivery`."""

    __slots__ = (
        "_settler",
        "_tag",
        "envelope",
        "exchange",
        "is_redelivered",
        "is_settled",
        "routing_key",
    )

    def __init__(self, settler: Settler, message: DeliveredMessage) -> None:
        method = message.delivery
        assert isinstance(method, Basic.Deliver)
        self._settler = settler
        self._tag = method.delivery_tag or 0
        self.envelope: Envelope = envelope_from(message.header.properties, message.body)
        self.exchange = method.exchange or ""
        self.routing_key = method.routing_key or ""
        self.is_redelivered = bool(method.redelivered)
        self.is_settled = False

    @property
    def earlier_deliveries(self) -> int:
        """See `Delivery`."""
        return headers.delivery_count(self.envelope.headers)

    @property
    def is_live(self) -> bool:
        """See `Delivery`."""
        return self._settler.is_live

    def ack(self) -> None:
        """See `Delivery`."""
        self._settle(Mark.ACK)

    def reject(self) -> None:
        """See `Delivery`."""
        self._settle(Mark.REJECT)

    def give_back(self) -> None:
        """See `Delivery`."""
        self._settle(Mark.GIVE_BACK)

    def _settle(self, mark: Mark) -> None:
        if self.is_settled:
            raise RuntimeError(f"delivery {self._tag} is settled already; can't {mark.value} it")
        self.is_settled = True
        self._settler.mark(self._tag, mark)


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
        self._queue = queue
        self._prefetch = prefetch
        self._deliver = deliver
        self._redeclare = redeclare
        self._tag = f"{queue[:_LONGEST_TAG]}@{socket.gethostname()[:30]}:{os.getpid()}"
        self._channel: OpenChannel | None = None
        self._settler: Settler | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    @property
    def is_registered(self) -> bool:
        """See `Subscriber`."""
        channel = self._channel
        return (
            channel is not None
            and channel.is_open
            and self._tag in getattr(channel.wire, "consumers", ())
        )

    async def start(self) -> None:
        """Registers, and keeps it so. Raises a `TransportError` if the first try is refused."""
        await self._register()
        self._keeper = asyncio.create_task(self._keep(), name=f"consume {self._queue}")

    async def stop(self) -> None:
        """See `Subscriber`."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._channel is not None and self._channel.is_open:
            with suppress(TransportError):  # gone is what was wanted
                await answered(
                    self._channel.wire.basic_cancel(self._tag),
                    f"cancelling the consumer of '{self._queue}'",
                )

    async def close(self) -> None:
        """Tells the last marks, then closes the channel."""
        if self._settler is not None:
            await self._settler.close()

    async def _register(self) -> None:
        connection = await self._link.ready()
        channel = await open_channel(connection)
        self._lost = lost = asyncio.Event()
        settler = Settler(channel)
        try:
            await answered(
                channel.wire.basic_qos(prefetch_count=self._prefetch),
                f"setting the prefetch of '{self._queue}'",
            )
            channel.wire.on_consumer_cancel_callbacks.add(lambda _: lost.set())
            await answered(
                channel.wire.basic_consume(
                    self._queue, self._receiver(settler), consumer_tag=self._tag
                ),
                f"consuming queue '{self._queue}', which needs the `read` permission on it,",
            )
        except TransportError:
            await settler.close()
            raise
        self._channel, self._settler = channel, settler

    def _receiver(
        self, settler: Settler
    ) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        deliver = self._deliver

        async def receive(message: DeliveredMessage) -> None:
            deliver(RabbitDelivery(settler, message))

        return receive

    async def _keep(self) -> None:
        while True:
            await self._until_lost()
            log.warning("consumer lost", queue=self._queue)
            await self._register_again()
            log.info("consumer registered again", queue=self._queue)

    async def _until_lost(self) -> None:
        assert self._channel is not None
        gone = asyncio.create_task(self._channel.gone.wait())
        cancelled = asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({gone, cancelled}, return_when="FIRST_COMPLETED")
        finally:
            gone.cancel()
            cancelled.cancel()

    async def _register_again(self) -> None:
        failures = 0
        while True:
            await self._link.ready()
            try:
                if failures:
                    await self._redeclare()
                await self._register()
                return
            except ConnectionLostError:
                pass
            except TransportError as error:
                log.error("consumer can't be registered", queue=self._queue, error=str(error))
            failures += 1
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.2 * 2 ** min(failures, 8))))
