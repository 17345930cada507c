"""Bare aio-pika: a confirmed, mandatory publish; a callback that validates the model and acks.

Receives a task, hands it to aio-pika.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

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


class Connected:
    """One connection, a channel to publish on and one to consume on."""

    def __init__(
        self, task: Task, outgoing: AbstractChannel, incoming: AbstractChannel, to: AbstractExchange
    ) -> None:
        self.task = task
        self.outgoing = outgoing
        self.incoming = incoming
        self.exchange = to

    async def publish(self, order: Order) -> None:
        """Return once it is confirmed."""
        await self._publish(order, self.task.key)

    async def consume(self, queue: str, handle: Callable[[Order], object]) -> None:
        """Handle and ack all that comes."""

        async def on_message(message: AbstractIncomingMessage) -> None:
            handle(Order.model_validate_json(message.body))
            await message.ack()

        await (await self.incoming.get_queue(queue)).consume(on_message)

    async def answer(self) -> None:
        """Publish an answer to each order, then ack it."""

        async def on_message(message: AbstractIncomingMessage) -> None:
            await self._publish(Order.model_validate_json(message.body), self.task.answer_key)
            await message.ack()

        await (await self.incoming.get_queue(self.task.queue)).consume(on_message)

    async def _publish(self, order: Order, key: str) -> None:
        message = aio_pika.Message(
            order.model_dump_json().encode(),
            message_id=uuid4().hex,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            type=key,
        )
        await self.exchange.publish(message, key)


@asynccontextmanager
async def connected(task: Task) -> AsyncIterator[Connected]:
    """Until the end of the context."""
    async with await aio_pika.connect_robust(task.url) as connection:
        outgoing = await connection.channel(on_return_raises=True)
        incoming = await connection.channel()
        await incoming.set_qos(task.prefetch)
        exchange = await outgoing.get_exchange(task.exchange)
        yield Connected(task, outgoing, incoming, exchange)


async def publish(task: Task) -> Measured:
    """A window of tasks."""
    async with connected(task) as broker:
        return await in_window(task, Order, broker.publish)


async def consume(task: Task) -> Measured:
    """One consumer."""
    tally = Tally(task.count)
    async with connected(task) as broker:
        await broker.consume(task.queue, tally.count)
        await tally.is_over.wait()
    return tally.measured()


async def round_trip(task: Task) -> Measured:
    """Both sides have a connection of their own."""
    tally = Tally(task.count)
    async with connected(task) as orders, connected(task) as notifications:
        await orders.consume(task.answer_queue, tally.count)
        await notifications.answer()
        return await there_and_back(task, Order, orders.publish, tally)


async def latency(task: Task) -> Measured:
    """One connection for both ways."""
    watch = Stopwatch(task.count)
    async with connected(task) as broker:
        await broker.consume(task.queue, watch.stop)
        return await at_rate(task, Order, broker.publish, watch)


if __name__ == "__main__":
    perform(
        aio_pika.__version__,
        publish=publish,
        consume=consume,
        round_trip=round_trip,
        latency=latency,
    )
