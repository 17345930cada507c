"""Looks at a dead letter without disturbing it.

Receives a broker's URL and a queue's name, hands back the fault record. It speaks plain AMQP, as
any tool could, or what stands for it in memory: a dead letter needs nothing of ours to be read.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import pika

from toolkit.transport.memory import broker_named
from toolkit.transport.memory.channel import Channel, TaggedDelivery
from toolkit.transport.memory.named import is_memory


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled: what it said, and why it is here."""

    body: str
    message_id: str
    record: dict[str, Any]


async def look_at_one(url: str, queue: str, *, within: float) -> DeadLetter:
    """The first dead letter of the queue, waiting for it if need be. Raises TimeoutError."""
    if is_memory(url):
        return await _look_in_memory(url, queue, within)
    return await asyncio.to_thread(_look_over_amqp, url, queue, within)


async def _look_in_memory(url: str, queue: str, within: float) -> DeadLetter:
    letters: asyncio.Queue[TaggedDelivery] = asyncio.Queue()
    channel = Channel(broker_named(url))
    channel.consume(queue, "looking", letters.put_nowait, prefetch=1)
    try:
        letter = (await asyncio.wait_for(letters.get(), within)).envelope
    except TimeoutError:
        raise _none_in(queue, within) from None
    finally:
        channel.close()  # gives it back: it stays where it is, for whoever is on duty
    return DeadLetter(letter.body.decode(), letter.message_id or "", _ours(letter.headers))


def _look_over_amqp(url: str, queue: str, within: float) -> DeadLetter:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        for method, properties, body in channel.consume(queue, inactivity_timeout=within):
            if method is None:
                raise _none_in(queue, within)
            # Held while we read, then given back: it stays where it is, for whoever is on duty.
            channel.basic_nack(method.delivery_tag, requeue=True)
            channel.cancel()
            return DeadLetter(body.decode(), properties.message_id, _ours(properties.headers))
    finally:
        connection.close()
    raise TimeoutError(f"{queue} was closed while we waited for a dead letter")


def _none_in(queue: str, within: float) -> TimeoutError:
    return TimeoutError(f"no dead letter in {queue} within {within:g} s")


def _ours(headers: dict[str, Any] | None) -> dict[str, Any]:
    """Without the broker's own, such as how often it has handed the message out."""
    return {name: value for name, value in (headers or {}).items() if not name.startswith("x-")}
