"""The broker as any other program sees it: plain pika, and nothing of ours.

Receives messages and names of queues from a test, hands back what is in them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from uuid import uuid4

import pika

from tests.outsider import eventually


class Received(NamedTuple):
    """A message as it was on the wire."""

    body: Any
    properties: Any


class Wire:
    """One connection, used in short steps that don't hold up the services' event loop."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    @classmethod
    @contextmanager
    def connected(cls, url: str) -> Iterator[Self]:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.confirm_delivery()
        yield cls(channel)
        connection.close()

    def publish(self, name: str, body: object, *, message_id: str | None = None) -> None:
        """Announce an event, as the README's "on the wire" says."""
        self._channel.basic_publish(
            "events",
            name,
            json.dumps(body).encode(),
            pika.BasicProperties(
                content_type="application/json",
                type=name,
                message_id=message_id or uuid4().hex,
                delivery_mode=2,
            ),
            mandatory=True,
        )

    def listen(self, name: str) -> str:
        """A queue of our own that gets every such event from now on."""
        queue: str = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.exchange_declare("events", "topic", durable=True)
        self._channel.queue_bind(queue, "events", name)
        return queue

    def count(self, queue: str) -> int:
        """How many messages are ready in it."""
        count: int = self._channel.queue_declare(queue, passive=True).method.message_count
        return count

    def take(self, queue: str) -> Received | None:
        """The next message, gone from the queue; None if there is none."""
        method, properties, body = self._channel.basic_get(queue, auto_ack=True)
        return None if method is None else Received(json.loads(body), properties)

    async def until_many_in(
        self, queue: str, count: int, *, within: float = 15.0
    ) -> list[Received]:
        """That many messages, as they come.."""
        received: list[Received] = []

        async def are_there() -> bool:
            received.extend(self.take_all(queue))
            return len(received) >= count

        await eventually(are_there, within=within)
        return received

    async def until_one_in(self, queue: str) -> Received:
        """The one message that comes."""
        (received,) = await self.until_many_in(queue, 1)
        return received

    def take_all(self, queue: str) -> list[Received]:
        """All that is ready."""
        return list(iter(lambda: self.take(queue), None))
