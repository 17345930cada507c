"""Messages from one queue into another, by copies that are confirmed before the original is acked.

Receives a connection, a queue and a fanout exchange that leads to the other one; hands back how
many were moved. A fanout asks for no routing key, so each copy keeps its own, and a CC header sends
it nowhere else.

A copy is the message byte for byte, save: `original-exchange` and `original-routing-key` are added
where they aren't there yet, because the exchange that a consumer sees is now the fanout; the
broker's delivery counts go, because they start afresh; a `user_id` that isn't ours becomes
`original-user-id`, because the broker would refuse it. What is left on the way, by a kill or a lost
connection, is in the old queue, or in both: never in none.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from aiormq.abc import DeliveredMessage

from toolkit.errors import TransportError
from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.transport.rabbitmq.channel import answered, open_channel
from toolkit.transport.rabbitmq.confirm import ChannelGoneError, NackedError, ReturnedError
from toolkit.transport.rabbitmq.connection import OneConnection
from toolkit.transport.rabbitmq.deliver import DeliverLane
from toolkit.transport.rabbitmq.frames import Mark
from toolkit.transport.rabbitmq.outlet import FastChannel
from toolkit.transport.rabbitmq.settle import LaneSettler
from toolkit.transport.rabbitmq.wire import UnreadableError, decode_properties, encode_properties

WINDOW = 200
"""Messages under way: as many may be there twice after a kill."""
_GLANCE = 0.1  # seconds
_STALLED = 10.0  # seconds in which nothing came, though something is ready
_COUNTS = (wire.DELIVERY_COUNT, wire.ACQUIRED_COUNT)


class MoveError(TransportError):
    """Not everything could be moved; what wasn't is where it was."""

    exit_code = 69


@dataclass(slots=True)
class Moved:
    """How many, and which of them had been handed out before: they may be there twice."""

    count: int = 0
    handed_out_before: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Arrival:
    tag: int
    is_redelivered: bool
    where: bytes
    properties: bytes
    body: bytes


class Move:
    """One move, on two channels of its own. Messages are published in the order in which they
    come, so the order of the old queue is that of the new one, unless somebody else takes from it.
    """

    def __init__(
        self,
        connection: OneConnection,
        queue: str,
        fanout: str,
        on_confirmed: Callable[[Moved], None],
    ) -> None:
        self._connection = connection
        self._user = connection.url.user or "guest"
        self._queue = queue
        self._fanout = fanout
        self._on_confirmed = on_confirmed
        self._arrived: asyncio.Queue[_Arrival] = asyncio.Queue()
        self._under_way = 0
        self._failure: BaseException | None = None
        self._moved = Moved()

    async def until_empty(self) -> Moved:
        """Returns once nothing is ready in the old queue, and all of it is in the other one.

        Raises `MoveError`.
        """
        incoming = await open_channel(self._connection)
        settler = LaneSettler(incoming, self._connection.stream)
        outgoing = FastChannel(await open_channel(self._connection), self._connection.stream)
        number = incoming.wire.number
        lane = DeliverLane(number, self._receive, settler.lose)
        self._connection.stream.claim(number, lane)
        try:
            await answered(
                incoming.wire.basic_qos(prefetch_count=WINDOW), "setting the prefetch of a move"
            )
            tag = f"moving {self._queue}"
            await answered(
                incoming.wire.basic_consume(self._queue, _nothing, consumer_tag=tag),
                f"consuming queue '{self._queue}'",
            )
            await self._pass_on(settler, outgoing)
            await answered(incoming.wire.basic_cancel(tag), f"leaving queue '{self._queue}'")
            await self._pass_on_rest(settler, outgoing)
        finally:
            await settler.close()
            await outgoing.close()
        return self._moved

    def _receive(
        self, tag: int, redelivered: int, where: bytes, properties: bytes, body: bytes
    ) -> None:
        self._arrived.put_nowait(_Arrival(tag, bool(redelivered), where, properties, body))

    async def _pass_on(self, settler: LaneSettler, outgoing: FastChannel) -> None:
        last = monotonic()
        while True:
            self._check(settler)
            try:
                async with asyncio.timeout(_GLANCE):
                    arrival = await self._arrived.get()
            except TimeoutError:
                if not self._under_way and not await self._ready():
                    return
                if monotonic() - last > _STALLED:
                    raise MoveError(
                        f"messages are ready in '{self._queue}', but none is handed to us: is it "
                        "a queue with a single active consumer, which somebody else is?"
                    ) from None
                continue
            last = monotonic()
            await self._copy(arrival, settler, outgoing)

    async def _pass_on_rest(self, settler: LaneSettler, outgoing: FastChannel) -> None:
        """What came between the last look and the goodbye."""
        while not self._arrived.empty():
            await self._copy(self._arrived.get_nowait(), settler, outgoing)
        while self._under_way:
            self._check(settler)
            await asyncio.sleep(0.01)
        self._check(settler)

    async def _ready(self) -> int:
        channel = await open_channel(self._connection)
        try:
            answer = await answered(
                channel.wire.queue_declare(self._queue, passive=True),
                f"looking at queue '{self._queue}'",
            )
        finally:
            await channel.close()
        return int(answer.message_count or 0)

    async def _copy(self, arrival: _Arrival, settler: LaneSettler, outgoing: FastChannel) -> None:
        properties, message_id, routing_key = self._rendered(arrival)
        await outgoing.room()
        await outgoing.without(message_id)
        self._check(settler)
        settler.expect()
        self._under_way += 1
        publication = Publication(
            Envelope(arrival.body, message_id=message_id), self._fanout, routing_key
        )
        fate = outgoing.publish(publication, properties)
        fate.add_done_callback(lambda done: self._settle(done, arrival, message_id, settler))

    def _settle(
        self,
        fate: "asyncio.Future[None]",
        arrival: _Arrival,
        message_id: str,
        settler: LaneSettler,
    ) -> None:
        self._under_way -= 1
        if fate.cancelled() or (error := fate.exception()) is not None:
            self._failure = self._failure or (None if fate.cancelled() else error)
            return
        self._moved.count += 1
        if arrival.is_redelivered:
            self._moved.handed_out_before.append(message_id)
        self._on_confirmed(self._moved)
        settler.mark(arrival.tag, Mark.ACK)

    def _check(self, settler: LaneSettler) -> None:
        match self._failure:
            case None if settler.is_live:
                return
            case ReturnedError():
                reason = "the queue that they were to go to has vanished"
            case NackedError():
                reason = "the queue that they were to go to is full, or has no leader"
            case ChannelGoneError(reason=str() as said):
                reason = said
            case _:
                reason = "the connection was lost, or the queue has vanished"
        raise MoveError(
            f"moving messages out of '{self._queue}' stopped after {self._moved.count}: {reason}"
        ) from self._failure

    def _rendered(self, arrival: _Arrival) -> tuple[bytes, str, str]:
        """Properties, id and routing key of the copy."""
        exchange, key = _names(arrival.where)
        try:
            envelope = decode_properties(arrival.properties, b"")
            changed = _as_copy(envelope, exchange, key, self._user)
            return encode_properties(changed), envelope.message_id or "", key
        except UnreadableError:
            return arrival.properties, "", key  # as it came: the broker has taken it before


def _names(where: bytes) -> tuple[str, str]:
    """Exchange and routing key; bytes that are no UTF-8 go out as they came."""
    end = 1 + where[0]
    exchange = where[1:end].decode("utf-8", "surrogateescape")
    return exchange, where[end + 1 :].decode("utf-8", "surrogateescape")


def _as_copy(envelope: Envelope, exchange: str, routing_key: str, user: str) -> Envelope:
    headers = {name: value for name, value in envelope.headers.items() if name not in _COUNTS}
    if wire.ORIGINAL_EXCHANGE not in headers or wire.ORIGINAL_ROUTING_KEY not in headers:
        headers |= {wire.ORIGINAL_EXCHANGE: exchange, wire.ORIGINAL_ROUTING_KEY: routing_key}
    if envelope.user_id is None or envelope.user_id == user:
        return replace(envelope, headers=headers)
    headers[wire.ORIGINAL_USER_ID] = envelope.user_id
    return replace(envelope, headers=headers, user_id=None)


async def _nothing(_: DeliveredMessage) -> None:
    """Deliveries come past the library."""
