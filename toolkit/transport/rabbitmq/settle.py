"""Deliveries, and the marks on them, told to the broker in as few words as possible.

Receives what came on a channel of the consuming connection as `RabbitDelivery`s, hands the
engine's marks back on that channel.
"""

import asyncio
from abc import ABC, abstractmethod

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel as WireChannel
from pamqp.commands import Basic

from toolkit.messages import headers
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.channel import OpenChannel
from toolkit.transport.rabbitmq.frames import Mark, settling, short
from toolkit.transport.rabbitmq.guard import unwrapped
from toolkit.transport.rabbitmq.stream import Stream
from toolkit.transport.rabbitmq.translate import LOST, envelope_from, was_cancelled

log = structlog.get_logger("toolkit.transport")

Word = tuple[Mark, int, bool]
"""What is said of a delivery tag, or of it and all before it."""


class Marks:
    """Which deliveries of one channel have been marked, and what there is to say about it.

    The broker counts deliveries of a channel from 1. An ack may cover a tag and all before it,
    so one is enough for a run of acked deliveries that begins with the oldest.
    """

    def __init__(self) -> None:
        self._oldest = 1  # all before it has been told
        self._acked: set[int] = set()  # not told yet
        self._told: set[int] = set()  # but something older has not
        self._others: list[tuple[Mark, int]] = []

    def make(self, tag: int, mark: Mark) -> None:
        """One delivery is marked."""
        if mark is Mark.ACK:
            self._acked.add(tag)
        else:
            self._others.append((mark, tag))

    def tell(self) -> list[Word]:
        """All that has been marked since. What an ack covers beside its own tag was acked too, or
        has been told before.
        """
        words: list[Word] = []
        acked, told = self._acked, self._told
        for mark, tag in self._others:
            words.append((mark, tag, False))
            told.add(tag)
        self._others.clear()
        last = covered = 0
        oldest = self._oldest
        while True:
            if oldest in acked:
                acked.discard(oldest)
                last = oldest
                covered += 1
            elif oldest in told:
                told.discard(oldest)
            else:
                break
            oldest += 1
        self._oldest = oldest
        if covered:
            words.append((Mark.ACK, last, covered > 1))
        words += [(Mark.ACK, tag, False) for tag in acked]
        told |= acked
        acked.clear()
        return words


class Settler(ABC):
    """Tells the broker of marks, for one channel: together, those made in one turn of the loop."""

    def __init__(self, channel: OpenChannel) -> None:
        self._channel = channel
        self._marks = Marks()
        self._is_telling = False
        self._outstanding = 0
        self._nothing_outstanding = asyncio.Event()
        self._nothing_outstanding.set()

    @property
    @abstractmethod
    def is_live(self) -> bool:
        """Whether a mark can still reach the broker."""

    def expect(self) -> None:
        """One more delivery is out."""
        self._outstanding += 1
        if self._outstanding == 1:
            self._nothing_outstanding.clear()

    def mark(self, tag: int, mark: Mark) -> None:
        """Notes a mark; on a channel that is gone the broker will deliver again."""
        self._outstanding -= 1
        if not self._outstanding:
            self._nothing_outstanding.set()
        if self.is_live:
            self._marks.make(tag, mark)
            if not self._is_telling:
                self._is_telling = True
                self._begin_to_tell()

    @abstractmethod
    def _begin_to_tell(self) -> None:
        """Sees to it that all marks are told soon, those included that are made until then."""

    @abstractmethod
    async def close(self) -> None:
        """Flushes, then closes the channel, which the broker answers after the last mark."""

    async def retire(self) -> None:
        """Closes once everything that is out has been marked, or the channel is gone."""
        try:
            await first_of(self._channel.gone, self._nothing_outstanding)
        finally:
            await self.close()


class LaneSettler(Settler):
    """Writes to the socket itself, at the end of the turn."""

    def __init__(self, channel: OpenChannel, stream: Stream) -> None:
        super().__init__(channel)
        self._stream = stream
        self._number = channel.wire.number
        self._call_soon = asyncio.get_running_loop().call_soon
        self._is_open = True

    @property
    def is_live(self) -> bool:
        """See `Settler`."""
        return self._is_open

    def lose(self) -> None:
        """The channel is gone. No late mark may reach another one of its number."""
        self._is_open = False

    def _begin_to_tell(self) -> None:
        self._call_soon(self._tell)

    def _tell(self) -> None:
        self._is_telling = False
        if self._is_open:
            number = self._number
            self._stream.write(
                b"".join(
                    [
                        settling(number, mark, tag, multiple=multiple)
                        for mark, tag, multiple in self._marks.tell()
                    ]
                )
            )

    async def close(self) -> None:
        """See `Settler`."""
        self._tell()
        self._is_open = False
        await self._channel.close()


class PlainSettler(Settler):
    """Goes through the library, frame by frame."""

    def __init__(self, channel: OpenChannel) -> None:
        super().__init__(channel)
        self._teller: asyncio.Task[None] | None = None

    @property
    def is_live(self) -> bool:
        """See `Settler`."""
        return self._channel.is_open

    def _begin_to_tell(self) -> None:
        self._teller = asyncio.create_task(self._tell(), name="settler")

    async def flush(self) -> None:
        """Returns once every mark is on its way, or has become pointless."""
        if self._teller is not None:
            await asyncio.wait({self._teller})

    async def close(self) -> None:
        """See `Settler`."""
        await self.flush()
        await self._channel.close()

    async def _tell(self) -> None:
        try:
            while words := self._marks.tell():
                for word in words:
                    await _say(self._channel.wire, *word)
        except asyncio.CancelledError:
            if was_cancelled():
                raise
        except LOST as error:
            log.debug("settlements lost with their channel", error=error)
        finally:
            self._is_telling = False


async def first_of(*events: asyncio.Event) -> None:
    """Returns once any of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
    finally:
        for task in waiting:
            task.cancel()


async def _say(wire: WireChannel, mark: Mark, tag: int, multiple: bool) -> None:  # noqa: FBT001 - a `Word`
    match mark:
        case Mark.ACK:
            await wire.basic_ack(tag, multiple, wait=False)
        case Mark.REJECT:
            await wire.basic_reject(tag, requeue=True, wait=False)
        case Mark.GIVE_BACK:
            await wire.basic_nack(tag, multiple, requeue=True, wait=False)


class RabbitDelivery:
    """See `Delivery`. `where` is the exchange and the routing key, as in the method's frame."""

    __slots__ = (
        "_body",
        "_envelope",
        "_properties",
        "_settler",
        "_tag",
        "_where",
        "is_redelivered",
        "is_settled",
    )

    def __init__(
        self,
        settler: Settler,
        tag: int,
        redelivered: int,
        where: bytes,
        properties: bytes,
        body: bytes,
    ) -> None:
        settler.expect()
        self._settler = settler
        self._tag = tag
        self._where = where
        self._properties = properties
        self._body = body
        self._envelope: Envelope | None = None
        self.is_redelivered = bool(redelivered)
        self.is_settled = False

    @property
    def envelope(self) -> Envelope:
        """See `Delivery`. Read when first asked for."""
        if self._envelope is None:
            self._envelope = envelope_from(self._properties, self._body)
            self._properties = self._body = b""
        return self._envelope

    @property
    def exchange(self) -> str:
        """See `Delivery`."""
        return self._where[1 : 1 + self._where[0]].decode("utf-8", "backslashreplace")

    @property
    def routing_key(self) -> str:
        r"""See `Delivery`. Bytes that are no UTF-8 are written as \xNN."""
        key = self._where[2 + self._where[0] :]
        return key.decode("utf-8", "backslashreplace").encode()[:255].decode("utf-8", "ignore")

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


def delivery_from(settler: Settler, message: DeliveredMessage) -> RabbitDelivery:
    """One that came through the library, on a guarded connection."""
    method = message.delivery
    assert isinstance(method, Basic.Deliver | Basic.GetOk)
    return RabbitDelivery(
        settler,
        method.delivery_tag or 0,
        bool(method.redelivered),
        short(method.exchange or "") + short(method.routing_key or ""),
        unwrapped(message.header.properties),
        message.body,
    )
