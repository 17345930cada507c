"""The broker as any other program sees it: plain pika, and nothing of ours.

Receives names of queues from a test, hands back what is in them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

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
        yield cls(channel)
        connection.close()

    def count(self, queue: str) -> int:
        """How many messages are ready in it."""
        count: int = self._channel.queue_declare(queue, passive=True).method.message_count
        return count

    async def until_many_in(
        self, queue: str, count: int, *, within: float = 15.0
    ) -> list[Received]:
        """That many messages, as they come."""
        received: list[Received] = []

        async def are_there() -> bool:
            received.extend(self.take_all(queue))
            return len(received) >= count

        await eventually(are_there, within=within)
        return received

    def take_all(self, queue: str) -> list[Received]:
        """All that is ready, gone from the queue."""
        return list(iter(lambda: self._take(queue), None))

    def _take(self, queue: str) -> Received | None:
        method, properties, body = self._channel.basic_get(queue, auto_ack=True)
        return None if method is None else Received(json.loads(body), properties)
