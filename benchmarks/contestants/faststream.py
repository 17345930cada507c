"""FastStream: a subscriber with a pydantic model, publisher objects, no log line for each message.

Receives a task, hands it to FastStream. Confirms are its default; it acks once the handler has
returned and its result is published.
"""

from collections.abc import Callable
from importlib.metadata import version

from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue

from benchmarks.measure import (
    Measured,
    Stopwatch,
    Tally,
    at_rate,
    in_window,
    perform,
    there_and_back,
)
from benchmarks.message import Order
from benchmarks.task import Task


def broker_of(task: Task) -> RabbitBroker:
    """With the prefetch of the task."""
    return RabbitBroker(
        task.url, default_channel=Channel(prefetch_count=task.prefetch), logger=None
    )


def exchange_of(task: Task) -> RabbitExchange:
    """It exists."""
    return RabbitExchange(task.exchange, type=ExchangeType.TOPIC, declare=False)


def subscribe(broker: RabbitBroker, queue: str, take: Callable[[Order], object]) -> None:
    """Handle all that comes."""

    @broker.subscriber(RabbitQueue(queue, declare=False))
    async def handle(order: Order) -> None:
        take(order)


async def publish(task: Task) -> Measured:
    """A window of tasks."""
    broker = broker_of(task)
    publisher = broker.publisher(exchange=exchange_of(task), routing_key=task.key, persist=True)
    async with broker:
        await broker.start()
        return await in_window(task, Order, publisher.publish)


async def consume(task: Task) -> Measured:
    """One subscriber."""
    tally = Tally(task.count)
    broker = broker_of(task)
    subscribe(broker, task.queue, tally.count)
    async with broker:
        await broker.start()
        await tally.is_over.wait()
    return tally.measured()


async def round_trip(task: Task) -> Measured:
    """Two brokers, as two services would have; the answer is what the handler returns."""
    tally = Tally(task.count)
    asking, answering = broker_of(task), broker_of(task)
    publisher = asking.publisher(exchange=exchange_of(task), routing_key=task.key, persist=True)
    subscribe(asking, task.answer_queue, tally.count)

    @answering.subscriber(RabbitQueue(task.queue, declare=False))
    @answering.publisher(exchange=exchange_of(task), routing_key=task.answer_key, persist=True)
    async def answer(order: Order) -> Order:
        return order

    async with asking, answering:
        await answering.start()
        await asking.start()
        return await there_and_back(task, Order, publisher.publish, tally)


async def latency(task: Task) -> Measured:
    """One broker for both ways."""
    watch = Stopwatch(task.count)
    broker = broker_of(task)
    publisher = broker.publisher(exchange=exchange_of(task), routing_key=task.key, persist=True)
    subscribe(broker, task.queue, watch.stop)
    async with broker:
        await broker.start()
        return await at_rate(task, Order, publisher.publish, watch)


if __name__ == "__main__":
    perform(
        version("faststream"),
        publish=publish,
        consume=consume,
        round_trip=round_trip,
        latency=latency,
    )
