"""Marks on deliveries, told to the broker.

Receives frames from a channel of the consuming connection as `RabbitDelivery`s, hands the engine's
marks back on the channel that they came by.
"""

import asyncio
from collections import deque
from contextlib import suppress
from enum import Enum

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel as WireChannel
from pamqp.commands import Basic

from toolkit.messages import headers
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.channel import OpenChannel
from toolkit.transport.rabbitmq.translate import LOST, envelope_from, was_cancelled

log = structlog.get_logger("toolkit.transport")


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
        self._outstanding = 0
        self._nothing_outstanding = asyncio.Event()
        self._nothing_outstanding.set()
        self._teller = asyncio.create_task(self._tell(), name="settler")

    @property
    def is_live(self) -> bool:
        """Whether a mark can still reach the broker."""
        return self._channel.is_open

    def expect(self) -> None:
        """One more delivery is out."""
        self._outstanding += 1
        self._nothing_outstanding.clear()

    def mark(self, tag: int, mark: Mark) -> None:
        """Notes a mark; on a channel that is gone the broker will deliver again."""
        self._outstanding -= 1
        if not self._outstanding:
            self._nothing_outstanding.set()
        if self._channel.is_open:
            self._marks.append((tag, mark))
            self._told.clear()
            self._made.set()

    async def retire(self) -> None:
        """Closes once everything that is out has been marked, or the channel is gone."""
        try:
            await first_of(self._channel.gone, self._nothing_outstanding)
            await self.close()
        finally:
            self._teller.cancel()

    async def flush(self) -> None:
        """Returns once every mark is on its way, or has become pointless."""
        await first_of(self._channel.gone, self._told)

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


async def first_of(*events: asyncio.Event) -> None:
    """Returns once any of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
    finally:
        for task in waiting:
            task.cancel()


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
        assert isinstance(method, Basic.Deliver | Basic.GetOk)
        settler.expect()
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
