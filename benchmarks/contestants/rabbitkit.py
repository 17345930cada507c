"""rabbitkit: its async broker with the JSON serializer, and with its batch publisher for a window.

Receives a task, hands it to rabbitkit. Its README advises `AsyncBatchPublisher` for many confirmed
publishes; one by one it would only wait for company.
"""

from collections.abc import Callable, Coroutine
from time import perf_counter

import rabbitkit
from rabbitkit import AsyncBroker, BulkPublishOptions, MessageEnvelope, RabbitConfig
from rabbitkit.core.config import (
    BatchPublishConfig,
    ConnectionConfig,
    ConsumerConfig,
)
from rabbitkit.core.types import TopologyMode
from rabbitkit.serialization import JSONSerializer

from benchmarks.measure import (
    Measured,
    Stopwatch,
    Tally,
    at_rate,
    in_window,
    perform,
    there_and_back,
)
from benchmarks.message import Order, orders
from benchmarks.task import Task


def broker_of(task: Task, *, is_batching: bool = False) -> AsyncBroker:
    """With the prefetch of the task, and queues that exist."""
    config = RabbitConfig(
        connection=ConnectionConfig.from_url(task.url),
        consumer=ConsumerConfig(prefetch_count=task.prefetch),
        topology_mode=TopologyMode.MANUAL,
    )
    return AsyncBroker(
        config,
        serializer=JSONSerializer(),
        batch_config=BatchPublishConfig() if is_batching else None,
    )


def envelope_of(task: Task, order: Order) -> MessageEnvelope:
    """Persistent, with an id of its own: its defaults."""
    return MessageEnvelope(
        exchange=task.exchange,
        routing_key=task.key,
        body=order.model_dump_json().encode(),
        type=task.key,
    )


def publishing(broker: AsyncBroker, task: Task) -> Callable[[Order], Coroutine[None, None, None]]:
    """A function that returns once an order is confirmed."""

    async def publish_order(order: Order) -> None:
        (await broker.publish(envelope_of(task, order))).raise_for_status()

    return publish_order


def subscribe(broker: AsyncBroker, queue: str, take: Callable[[Order], object]) -> None:
    """Handle all that comes."""

    @broker.subscriber(queue)
    async def handle(order: Order) -> None:
        take(order)


async def publish(task: Task) -> Measured:
    """A window of tasks, through the batch publisher."""
    broker = broker_of(task, is_batching=task.window > 1)
    await broker.start(install_signal_handlers=False)
    measured = await in_window(task, Order, publishing(broker, task))
    await broker.stop()
    return measured


async def many(task: Task) -> Measured:
    """`publish_many`, with the same window."""
    broker = broker_of(task, is_batching=True)
    await broker.start(install_signal_handlers=False)
    messages = list(orders(task.count, task.size, Order))
    began = perf_counter()
    envelopes = [envelope_of(task, order) for order in messages]
    options = BulkPublishOptions(max_in_flight=task.window)
    (await broker.publish_many(envelopes, options)).raise_for_status()
    measured = Measured(task.count, began, perf_counter())
    await broker.stop()
    return measured


async def consume(task: Task) -> Measured:
    """One subscriber."""
    tally = Tally(task.count)
    broker = broker_of(task)
    subscribe(broker, task.queue, tally.count)
    await broker.start(install_signal_handlers=False)
    await tally.is_over.wait()
    await broker.stop()
    return tally.measured()


async def round_trip(task: Task) -> Measured:
    """Two brokers, as two services would have; the answer is what the handler returns."""
    tally = Tally(task.count)
    asking, answering = broker_of(task, is_batching=True), broker_of(task)
    subscribe(asking, task.answer_queue, tally.count)

    @answering.subscriber(task.queue)
    @answering.publisher(task.exchange, task.answer_key)
    async def answer(order: Order) -> Order:
        return order

    await answering.start(install_signal_handlers=False)
    await asking.start(install_signal_handlers=False)
    measured = await there_and_back(task, Order, publishing(asking, task), tally)
    await asking.stop()
    await answering.stop()
    return measured


async def latency(task: Task) -> Measured:
    """One broker for both ways."""
    watch = Stopwatch(task.count)
    broker = broker_of(task)
    subscribe(broker, task.queue, watch.stop)
    await broker.start(install_signal_handlers=False)
    measured = await at_rate(task, Order, publishing(broker, task), watch)
    await broker.stop()
    return measured


if __name__ == "__main__":
    perform(
        rabbitkit.__version__,
        publish=publish,
        many=many,
        consume=consume,
        round_trip=round_trip,
        latency=latency,
    )
