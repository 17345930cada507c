"""Virtual hosts with queues in them, emptied and filled before each run of a contestant.

Receives a broker and a task, hands over queues in the state that the task asks for. The queues are
the toolkit's, for all contestants; messages are as it would have sent them.
"""

import asyncio
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import uuid4

import pika
from pika.adapters.blocking_connection import BlockingChannel

from benchmarks.case import Case
from benchmarks.contestants.toolkit import OrderPlaced, declare
from benchmarks.message import orders
from benchmarks.task import Task
from toolkit.testing.broker import Broker

_PATIENCE = 60.0  # seconds


class NotFilledError(Exception):
    """The queues never had as many messages as were put in."""


class Stage:
    """Use it as a context: at its end the virtual hosts are gone."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stack = ExitStack()
        self._urls: dict[tuple[str, int], str] = {}

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, case: Case) -> str:
        """Leads to queues of the kind and number that this case is about."""
        kind = (case.queue_type, case.queues)
        if kind not in self._urls:
            host = self._broker.virtual_host(f"bench-{uuid4().hex[:8]}")
            url = self._stack.enter_context(host)
            asyncio.run(declare(case.task(url)))
            self._urls[kind] = url
        return self._urls[kind]

    def prepare(self, task: Task) -> None:
        """Empty all queues; for a consumer, put its messages in.

        Raises `NotFilledError`.
        """
        with pika.BlockingConnection(pika.URLParameters(task.url)) as connection:
            channel = connection.channel()
            for queue in (*_queues(task), task.answer_queue):
                channel.queue_purge(queue)
            if task.action == "consume":
                _fill(channel, task)

    def left(self, task: Task) -> int:
        """How many messages the queues have."""
        with pika.BlockingConnection(pika.URLParameters(task.url)) as connection:
            return _count(connection.channel(), task)


def _fill(channel: BlockingChannel, task: Task) -> None:
    queues = _queues(task)
    for number, order in enumerate(orders(task.count, task.size, OrderPlaced)):
        message_id = uuid4().hex
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            message_id=message_id,
            correlation_id=message_id,
            timestamp=int(datetime.now(UTC).timestamp()),
            type=task.key,
            app_id="bench",
            headers={"schema-version": 1},
        )
        queue = queues[number % len(queues)]
        channel.basic_publish("", queue, order.model_dump_json().encode(), properties)
    deadline = time.monotonic() + _PATIENCE
    while (there := _count(channel, task)) < task.count:
        if time.monotonic() > deadline:
            raise NotFilledError(
                f"{there:,} of {task.count:,} messages are in {queues[0]} after {_PATIENCE:.0f} s; "
                "look at the broker's log for an alarm"
            )


def _count(channel: BlockingChannel, task: Task) -> int:
    counts = [channel.queue_declare(q, passive=True).method.message_count for q in _queues(task)]
    return int(sum(counts))


def _queues(task: Task) -> list[str]:
    return [f"{task.queue.removesuffix('.0')}.{number}" for number in range(task.queues)]
