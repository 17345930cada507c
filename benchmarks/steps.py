"""Each step of the two walks by itself, in microseconds: `python -m benchmarks.steps`.

Receives no broker: deliveries and confirms are made here, so that nothing but the toolkit's own
code is measured. Prints each step beside what the same work costs without the toolkit, measured
in the same run, in turn, and the ratio of the two.
"""

import argparse
import asyncio
import inspect
import statistics
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import marshal, unmarshal
from pamqp.header import ContentHeader

from toolkit import Consumer, Context, Event, Producer, Publishes
from toolkit.messages.codec import JsonCodec
from toolkit.messages.envelope import Envelope
from toolkit.messages.headers import delivery_count
from toolkit.messages.outgoing import Publication
from toolkit.observability.hooks import Hooks
from toolkit.receiving.consumer import prefetch_of, subscription_of
from toolkit.receiving.context import Context as HandlerContext
from toolkit.receiving.pipeline import ReceivePipeline
from toolkit.receiving.pump import Pump
from toolkit.receiving.settlement import Settlement
from toolkit.receiving.work import Work, key_of
from toolkit.sending.pipeline import SendPipeline
from toolkit.transport.rabbitmq.confirm import ConfirmLane
from toolkit.transport.rabbitmq.deliver import DeliverLane
from toolkit.transport.rabbitmq.frames import (
    BASIC_ACK,
    BASIC_DELIVER,
    END,
    HEAD,
    LARGEST,
    METHOD,
    METHOD_ID,
    TAG,
    Mark,
    content,
    publishing,
    settling,
    short,
)
from toolkit.transport.rabbitmq.settle import Marks
from toolkit.transport.rabbitmq.stream import Stream
from toolkit.transport.rabbitmq.wire import decode_properties, encode_properties

WINDOW = 256
_AT_ONCE = 50  # messages in a chunk, a turn of the loop, a confirm
_CHANNEL = 1
TIMEOUT = timedelta(seconds=30)


class OrderPlaced(Event, name="bench.placed"):
    """About 230 bytes of JSON."""

    order_id: str
    customer_email: str
    total: Decimal
    note: str


ORDER = OrderPlaced(
    order_id="0af7651916cd43dd8448eb211c80319c",
    customer_email="somebody@example.org",
    total=Decimal("19.90"),
    note="leave it at the door, please; the bell is broken since last winter, thank you",
)
BODY = JsonCodec().encode(ORDER)
MESSAGE_ID = "9cc4a739b4504d96802d1470e60efc43"
ENVELOPE = Envelope(
    BODY,
    message_id=MESSAGE_ID,
    correlation_id=MESSAGE_ID,
    type="bench.placed",
    timestamp=datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC),
    app_id="bench",
    content_type="application/json",
    delivery_mode=2,
    headers={"schema-version": 1},
)
PROPERTIES = encode_properties(ENVELOPE)
FLAGS = struct.unpack_from(">H", PROPERTIES)[0]
FOREIGN = Basic.Properties(
    content_type="application/json",
    headers={"schema-version": 1},
    delivery_mode=2,
    correlation_id=ENVELOPE.correlation_id,
    message_id=ENVELOPE.message_id,
    timestamp=datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC),
    message_type="bench.placed",
    app_id="bench",
)


class BenchEvents(Producer):
    """What is published."""

    placed = Publishes(OrderPlaced)


class Ignore(Consumer[OrderPlaced]):
    """Does nothing, at once."""

    concurrency = WINDOW
    prefetch = WINDOW

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Nothing."""


class Arrival:
    """A delivery that is live and takes one mark; see `toolkit.transport.port.Delivery`."""

    __slots__ = ("envelope", "is_settled")

    exchange = "events"
    routing_key = "bench.placed"
    is_redelivered = False
    is_live = True

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope
        self.is_settled = False

    @property
    def earlier_deliveries(self) -> int:
        """See `Delivery`."""
        return delivery_count(self.envelope.headers)

    def ack(self) -> None:
        """See `Delivery`."""
        self.is_settled = True

    reject = give_back = ack


class LastArrival(Arrival):
    """One whose mark is waited for."""

    __slots__ = ("was_settled",)

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(envelope)
        self.was_settled = asyncio.Event()

    def ack(self) -> None:
        """See `Delivery`."""
        super().ack()
        self.was_settled.set()


def arrivals(count: int) -> list[Arrival]:
    """Messages of different ids."""
    ids = (f"{number:032x}" for number in range(count))
    headers = {"schema-version": 1}
    return [
        Arrival(
            Envelope(
                BODY,
                message_id=message_id,
                correlation_id=message_id,
                type="bench.placed",
                content_type="application/json",
                headers=headers,
            )
        )
        for message_id in ids
    ]


async def at_the_door(publication: Publication, timeout: timedelta) -> None:
    """A transport that confirms at once."""


class Bench:
    """The two walks of one service, and what `Producer` is made with."""

    def __init__(self) -> None:
        hooks, codec, consumer = Hooks(), JsonCodec(), Ignore()
        subscription = subscription_of("bench", consumer)
        self.sending = SendPipeline("bench", at_the_door, codec, hooks, timeout=TIMEOUT)
        settlement = Settlement(
            "bench",
            subscription,
            rungs=subscription.retry.rungs,
            publish=self._publish_copy,
            sending=self.sending,
            hooks=hooks,
        )
        self.receiving = ReceivePipeline(
            consumer,
            subscription,
            settlement,
            codec=codec,
            sending=self.sending,
            hooks=hooks,
            crash_budget=3,
            is_stopping=lambda: False,
            prefetch=prefetch_of(consumer),
        )
        self.outlet = BenchEvents(self).placed

    def sending_for(self, producer: type[Producer]) -> SendPipeline:
        """See `toolkit.sending.producer.Publishing`."""
        return self.sending

    async def _publish_copy(self, publication: Publication) -> None:
        raise AssertionError("nothing fails here")


async def receive(bench: Bench, incoming: Sequence[Arrival]) -> None:
    """From a delivery to its mark, one after the other."""
    receive = bench.receiving.receive
    for delivery in incoming:
        await receive(delivery)


async def pump(bench: Bench, incoming: Sequence[Arrival]) -> None:
    """The same by way of the workers, who get a prefetch at a time."""
    pump = Pump("bench", bench.receiving.receive, concurrency=WINDOW)
    pump.start()
    for begin in range(0, len(incoming), WINDOW):
        last = LastArrival(incoming[begin].envelope)
        for delivery in incoming[begin + 1 : begin + WINDOW]:
            pump.deliver(delivery)
        pump.deliver(last)
        await last.was_settled.wait()
    await pump.stop()


async def publish(bench: Bench, count: int) -> None:
    """From a call to the transport's door, one after the other."""
    outlet = bench.outlet
    for _ in range(count):
        await outlet(ORDER)


async def publish_many(bench: Bench, count: int) -> None:
    """The same by `many`."""
    await bench.outlet.many([ORDER] * count, window=WINDOW)


async def do_nothing(message: object) -> None:
    """What a bare client's callback costs."""


async def bare_receive(count: int) -> None:
    """Decode and call, with nothing around it."""
    validate = OrderPlaced.__pydantic_validator__.validate_json
    for _ in range(count):
        await do_nothing(validate(BODY))


async def bare_publish(count: int) -> None:
    """Encode and call, with nothing around it."""
    to_json = OrderPlaced.__pydantic_serializer__.to_json
    for _ in range(count):
        await do_nothing(to_json(ORDER))


def foreign_decode() -> object:
    """The same properties read by pamqp."""
    properties = Basic.Properties()
    properties.unmarshal(FLAGS, PROPERTIES[2:])
    return properties


def chunks(count: int) -> list[bytes]:
    """Deliveries as a broker sends them, so many at a time."""
    tag = METHOD_ID.pack(BASIC_DELIVER) + short("a consumer")
    where = short("events") + short("bench.placed")
    frames = [
        _frame(METHOD, tag + TAG.pack(number, 0) + where)
        + b"".join(content(_CHANNEL, PROPERTIES, BODY, LARGEST))
        for number in range(1, count + 1)
    ]
    return [b"".join(frames[at : at + _AT_ONCE]) for at in range(0, count, _AT_ONCE)]


def _frame(kind: int, payload: bytes) -> bytes:
    return HEAD.pack(kind, _CHANNEL, len(payload)) + payload + bytes((END,))


async def split(come: Sequence[bytes]) -> None:
    """Frames to deliveries, whose properties nobody asks for."""
    stream = Stream(lambda _, payload: payload, asyncio.get_running_loop())
    stream.claim(_CHANNEL, DeliverLane(_CHANNEL, lambda *_: None, lambda: None))
    for chunk in come:
        stream.data_received(chunk)


def foreign_split(come: Sequence[bytes], count: int) -> None:
    """The same frames read by pamqp."""
    for chunk in come:
        rest = chunk
        while rest:
            size, _, _ = unmarshal(rest)
            rest = rest[size:]


def tell(_: object, count: int) -> None:
    """Marks to acks, so many in a turn of the loop."""
    marks = Marks()
    for tag in range(1, count + 1):
        marks.make(tag, Mark.ACK)
        if not tag % _AT_ONCE:
            for mark, told, multiple in marks.tell():
                settling(_CHANNEL, mark, told, multiple=multiple)


async def confirm(count: int) -> None:
    """Frames for publishes, and their fates, so many confirmed at a time."""
    stream = Stream(lambda _, payload: payload, asyncio.get_running_loop())
    lane = ConfirmLane(_CHANNEL, stream)
    stream.claim(_CHANNEL, lane)
    method = publishing(_CHANNEL, "events", "bench.placed")
    for number in range(1, count + 1):
        lane.publish(
            str(number), (method, *content(_CHANNEL, PROPERTIES, BODY, LARGEST)), len(BODY)
        )
        if not number % _AT_ONCE:
            confirmed = METHOD_ID.pack(BASIC_ACK) + TAG.pack(number, 1)
            stream.data_received(_frame(METHOD, confirmed))


def foreign_publish() -> object:
    """The frames for one publish, written by pamqp."""
    method = Basic.Publish(exchange="events", routing_key="bench.placed", mandatory=True)
    header = ContentHeader(body_size=len(BODY), properties=FOREIGN)
    return [marshal(one, _CHANNEL) for one in (method, header, ContentBody(BODY))]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be measured: `run` does it `count` times, after `prepare`."""

    name: str
    run: Callable[[Any, int], Awaitable[None] | None]
    beside: str | None = None
    prepare: Callable[[int], Any] = lambda count: None


def each(call: Callable[[], object]) -> Callable[[Any, int], None]:
    """Many calls of one function."""

    def run(_: object, count: int) -> None:
        for _ in range(count):
            call()

    return run


def keep_books(incoming: Sequence[Arrival], count: int) -> None:
    """What is noted of each message."""
    work = Work(WINDOW)
    for delivery in incoming:
        key = key_of(delivery)
        assert key is not None
        work.begin(key)
        work.end(key, is_finished=True)


def contexts(incoming: Sequence[Arrival], count: int) -> None:
    """What a handler sees."""
    sending = BENCH.sending
    for delivery in incoming:
        HandlerContext(delivery, queue="bench.ignore", consumer="Ignore", sending=sending)


BENCH = Bench()
DECODE = JsonCodec().decoder(OrderPlaced)
VALIDATE = OrderPlaced.__pydantic_validator__.validate_json
TO_JSON = OrderPlaced.__pydantic_serializer__.to_json

STEPS = (
    Step("in: pamqp reads frames", foreign_split, prepare=chunks),
    Step(
        "in: frames to deliveries",
        lambda come, _: split(come),
        "in: pamqp reads frames",
        chunks,
    ),
    Step("in: pamqp decodes", each(foreign_decode)),
    Step(
        "in: decode properties",
        each(lambda: decode_properties(PROPERTIES, BODY)),
        "in: pamqp decodes",
    ),
    Step("in: key and bookkeeping", keep_books, prepare=arrivals),
    Step("in: context", contexts, prepare=arrivals),
    Step("in: pydantic alone", each(lambda: VALIDATE(BODY))),
    Step("in: validate", each(lambda: DECODE(BODY)), "in: pydantic alone"),
    Step("in: bare loop", lambda _, count: bare_receive(count)),
    Step("in: pipeline", lambda incoming, _: receive(BENCH, incoming), "in: bare loop", arrivals),
    Step(
        "in: pump and pipeline",
        lambda incoming, _: pump(BENCH, incoming),
        "in: bare loop",
        arrivals,
    ),
    Step("in: marks to acks", tell),
    Step("out: pydantic alone", each(lambda: TO_JSON(ORDER))),
    Step(
        "out: stamp and to_json", each(lambda: BENCH.sending.prepare(ORDER)), "out: pydantic alone"
    ),
    Step("out: pamqp encodes", each(FOREIGN.marshal)),
    Step("out: encode properties", each(lambda: encode_properties(ENVELOPE)), "out: pamqp encodes"),
    Step("out: pamqp writes frames", each(foreign_publish)),
    Step("out: frames and fates", lambda _, count: confirm(count), "out: pamqp writes frames"),
    Step("out: bare loop", lambda _, count: bare_publish(count)),
    Step("out: outlet to the door", lambda _, count: publish(BENCH, count), "out: bare loop"),
    Step("out: many to the door", lambda _, count: publish_many(BENCH, count), "out: bare loop"),
)


async def measure(count: int, rounds: int) -> dict[str, float]:
    """Microseconds of each step: the median of all rounds, which take the steps in turn."""
    seen: dict[str, list[float]] = {step.name: [] for step in STEPS}
    for turn in range(rounds):
        for step in STEPS[:: 1 if turn % 2 else -1]:
            prepared = step.prepare(count)
            started = time.perf_counter()
            outcome = step.run(prepared, count)
            if inspect.isawaitable(outcome):
                await outcome
            seen[step.name].append((time.perf_counter() - started) / count * 1e6)
    return {name: statistics.median(times) for name, times in seen.items()}


def show(found: dict[str, float]) -> None:
    """The table."""
    print(f"{'microseconds a message':28}{'':>8}{'ratio':>8}")
    for step in STEPS:
        ratio = f"{found[step.name] / found[step.beside]:8.2f}" if step.beside else ""
        print(f"{step.name:28}{found[step.name]:8.2f}{ratio}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    arguments.add_argument("--count", type=int, default=5_000, help="messages in each round")
    arguments.add_argument("--rounds", type=int, default=15)
    options = arguments.parse_args()
    show(asyncio.run(measure(options.count, options.rounds)))
