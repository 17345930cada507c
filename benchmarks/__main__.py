"""The toolkit beside raw aio-pika: same broker, same run, same messages, alternating order.

Receives a broker from `find_broker`, prints messages per second and their ratio. aio-pika does
here what its documentation shows: a mandatory, confirmed publish with a window of tasks; a
consumer callback that validates the same pydantic model and acks.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from toolkit import Consumer, Context, Event, Producer, Publishes, QueueOptions, Service, Settings
from toolkit.testing.broker import find_broker

WINDOW = 256


class OrderPlaced(Event, name="bench.placed"):
    """About 230 bytes of JSON."""

    order_id: str
    customer_email: str
    total: Decimal
    note: str


def order() -> OrderPlaced:
    """One message."""
    return OrderPlaced(
        order_id=uuid4().hex,
        customer_email="somebody@example.org",
        total=Decimal("19.90"),
        note="leave it at the door, please; the bell is broken since last winter, thank you",
    )


class BenchEvents(Producer):
    """What is published."""

    placed = Publishes(OrderPlaced)


class Count(Consumer[OrderPlaced]):
    """Counts what comes, and says when all has come."""

    queue = QueueOptions(name="bench.toolkit")
    concurrency = WINDOW
    prefetch = WINDOW

    def __init__(self, expected: int) -> None:
        self.left = expected
        self.is_over = asyncio.Event()

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """One message less to come."""
        self.left -= 1
        if not self.left:
            self.is_over.set()


async def toolkit_publish(url: str, count: int) -> float:
    """Publishes per second with `many`."""
    service = Service("bench", producers=[BenchEvents], settings=Settings(amqp_url=url))
    messages = [order() for _ in range(count)]
    async with service:
        events = BenchEvents(service)
        started = time.perf_counter()
        report = await events.placed.many(messages, window=WINDOW)
        seconds = time.perf_counter() - started
    assert report.confirmed == count, report.failures[:3]
    return count / seconds


async def aio_pika_publish(url: str, count: int) -> float:
    """Publishes per second with a window of tasks."""
    messages = iter([order() for _ in range(count)])
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.declare_exchange("events", "topic", durable=True)

        async def publish() -> None:
            for message in messages:
                await exchange.publish(
                    aio_pika.Message(
                        message.model_dump_json().encode(),
                        message_id=uuid4().hex,
                        content_type="application/json",
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    ),
                    "bench.placed",
                )

        started = time.perf_counter()
        await asyncio.gather(*(publish() for _ in range(WINDOW)))
        return count / (time.perf_counter() - started)


async def toolkit_consume(url: str, count: int) -> float:
    """Messages handled and acked per second."""
    consumer = Count(count)
    service = Service("bench", consumers=[consumer], settings=Settings(amqp_url=url))
    started = time.perf_counter()
    async with service:
        await consumer.is_over.wait()
        return count / (time.perf_counter() - started)


async def aio_pika_consume(url: str, count: int) -> float:
    """Messages validated and acked per second."""
    left = count
    is_over = asyncio.Event()
    started = time.perf_counter()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(WINDOW)
        queue = await channel.get_queue("bench.aio-pika")

        async def receive(message: AbstractIncomingMessage) -> None:
            nonlocal left
            OrderPlaced.model_validate_json(message.body)
            await message.ack()
            left -= 1
            if not left:
                is_over.set()

        await queue.consume(receive)
        await is_over.wait()
        return count / (time.perf_counter() - started)


Side = Callable[[str, int], Awaitable[float]]


async def main(url: str, count: int, rounds: int) -> None:
    """All rounds, and the table."""
    await prepare(url)
    pairs: dict[str, tuple[Side, Side]] = {
        "publish, each confirmed": (toolkit_publish, aio_pika_publish),
        "consume, validate, ack": (toolkit_consume, aio_pika_consume),
    }
    print(f"{'messages per second':26}{'toolkit':>10}{'aio-pika':>10}{'ratio':>8}{'spread':>8}")
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    for turn in range(rounds):
        for name, (ours, theirs) in pairs.items():
            order_of_play = [ours, theirs] if turn % 2 == 0 else [theirs, ours]
            speed = {side: await side(url, count) for side in order_of_play}
            results[name].append((speed[ours], speed[theirs]))
    for name, pairs_of_speeds in results.items():
        mine = statistics.median(a for a, _ in pairs_of_speeds)
        other = statistics.median(b for _, b in pairs_of_speeds)
        ratios = [a / b for a, b in pairs_of_speeds]
        spread = max(ratios) - min(ratios)
        print(f"{name:26}{mine:10,.0f}{other:10,.0f}{statistics.median(ratios):8.2f}{spread:8.2f}")


async def prepare(url: str) -> None:
    """One queue for each side, both fed by what either publishes."""
    service = Service("bench", consumers=[Count(1)], settings=Settings(amqp_url=url))
    async with service:
        pass
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(
            "bench.aio-pika", durable=True, arguments={"x-queue-type": "quorum"}
        )
        await queue.bind("events", "bench.placed")
        for name in ("bench.aio-pika", "bench.toolkit"):
            await (await channel.get_queue(name)).purge()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--count", type=int, default=10_000, help="messages in each round")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with find_broker(lambda line: print(line, file=sys.stderr)) as broker:
        print(broker.description)
        with broker.virtual_host(f"bench-{uuid4().hex[:8]}") as vhost:
            asyncio.run(main(vhost, options.count, options.rounds))
