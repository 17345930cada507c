"""pika's BlockingConnection. One by one each publish waits for its confirm; else none is confirmed.

Receives a task, hands it to pika, which offers no window of confirms on this connection.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from uuid import uuid4

import pika
from pika.adapters.blocking_connection import BlockingChannel

from benchmarks.measure import Measured, Stopwatch, Tally, perform
from benchmarks.message import Order, orders
from benchmarks.task import Task


def channel_of(task: Task) -> BlockingChannel:
    """On a connection of its own, with the prefetch of the task."""
    channel = pika.BlockingConnection(pika.URLParameters(task.url)).channel()
    channel.basic_qos(prefetch_count=task.prefetch)
    return channel


def send(channel: BlockingChannel, task: Task, order: Order, key: str) -> None:
    """Persistent and mandatory."""
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=uuid4().hex,
        type=key,
    )
    body = order.model_dump_json().encode()
    channel.basic_publish(task.exchange, key, body, properties, mandatory=True)


def take_all(
    channel: BlockingChannel, queue: str, tally: Tally, take: Callable[[Order], object]
) -> None:
    """Handle and ack until the tally says that it is over."""

    def on_message(_: object, method: pika.spec.Basic.Deliver, __: object, body: bytes) -> None:
        take(Order.model_validate_json(body))
        channel.basic_ack(method.delivery_tag)
        if not tally.left:
            channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    channel.connection.close()


def publish(task: Task) -> Measured:
    """Closing the channel is the proof that the broker has read it all."""
    channel = channel_of(task)
    is_confirmed = task.window == 1
    if is_confirmed:
        channel.confirm_delivery()
    messages = list(orders(task.count, task.size, Order))
    began = time.perf_counter()
    for order in messages:
        send(channel, task, order, task.key)
    channel.close()
    return Measured(task.count, began, time.perf_counter(), is_confirmed=is_confirmed)


def consume(task: Task) -> Measured:
    """One consumer."""
    tally = Tally(task.count)
    take_all(channel_of(task), task.queue, tally, tally.count)
    return tally.measured()


def round_trip(task: Task) -> Measured:
    """A thread answers; this one publishes all, then handles the answers."""
    questions, answers = Tally(task.count), Tally(task.count)
    answering, asking = channel_of(task), channel_of(task)

    def answer(order: Order) -> None:
        send(answering, task, order, task.answer_key)
        questions.count()

    thread = Thread(target=take_all, args=(answering, task.queue, questions, answer))
    thread.start()
    messages = list(orders(task.count, task.size, Order))
    began = time.perf_counter()
    for order in messages:
        send(asking, task, order, task.key)
    take_all(asking, task.answer_queue, answers, answers.count)
    thread.join()
    return Measured(task.count, began, answers.ended, is_confirmed=False)


def latency(task: Task) -> Measured:
    """A thread handles; this one publishes."""
    watch = Stopwatch(task.count)
    incoming, outgoing = channel_of(task), channel_of(task)
    thread = Thread(target=take_all, args=(incoming, task.queue, watch, watch.stop))
    thread.start()
    messages = list(orders(task.count, task.size, Order))
    began = time.perf_counter()
    for number, order in enumerate(messages):
        time.sleep(max(0.0, began + number / task.rate - time.perf_counter()))
        watch.start(order)
        send(outgoing, task, order, task.key)
    thread.join()
    outgoing.connection.close()
    return replace(watch.measured(), is_confirmed=False)


if __name__ == "__main__":
    perform(
        pika.__version__, publish=publish, consume=consume, round_trip=round_trip, latency=latency
    )
