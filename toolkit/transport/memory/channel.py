"""The broker as AMQP shows it: a channel with delivery tags, for who speaks to it directly.

Receives calls by tag, hands them to queues. Whatever is refused closes the channel, and what it
held goes back. The adapter has no use for tags; tests and tools do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from toolkit.messages.envelope import Envelope
from toolkit.transport.memory.broker import Fate, MemoryBroker
from toolkit.transport.memory.consumer import Consumer, close_all
from toolkit.transport.memory.delivery_count import Return
from toolkit.transport.memory.message import Message, handed_out
from toolkit.transport.memory.refusal import (
    NOT_ALLOWED,
    Refusal,
    precondition_failed,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaggedDelivery:
    """A message with the tag by which its channel knows it."""

    tag: int
    consumer_tag: str
    envelope: Envelope
    exchange: str
    routing_key: str
    is_redelivered: bool


class Channel:
    """A channel in confirm mode."""

    def __init__(self, broker: MemoryBroker, *, service: str = "") -> None:
        self.is_open = True
        self._is_paused = False
        self._broker = broker
        self._service = service
        self._consumers: dict[str, Consumer] = {}
        self._askers: dict[int, Consumer] = {}
        self._unacked: dict[int, tuple[Consumer, Message]] = {}
        self._tag = 0

    def publish(self, envelope: Envelope, exchange: str, routing_key: str) -> Fate:
        """See `MemoryBroker.publish`."""
        return self._or_close(
            lambda: self._broker.publish(
                envelope, exchange, routing_key, publisher=self, service=self._service
            )
        )

    def consume(
        self,
        queue: str,
        tag: str,
        deliver: Callable[[TaggedDelivery], None],
        *,
        prefetch: int = 0,
        acks_by_itself: bool = False,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """Registers a consumer. Raises `Refusal` for a missing queue or a tag in use."""
        if tag in self._consumers:
            raise self._closed(Refusal(NOT_ALLOWED, f"attempt to reuse consumer tag '{tag}'"))
        found = self._or_close(lambda: self._broker.queue(queue))

        def hand(consumer: Consumer, message: Message) -> None:
            deliver(self._tagged(tag, consumer, message))

        def on_gone() -> None:
            self._consumers.pop(tag, None)
            gone()

        consumer = Consumer(
            found,
            prefetch=prefetch,
            hand=hand,
            gone=on_gone,
            service=self._service,
            acks_by_itself=acks_by_itself,
        )
        self._consumers[tag] = consumer
        consumer.is_paused = self._is_paused
        found.add(consumer)

    def pause(self) -> None:
        """Hands nothing to its consumers until `resume`."""
        self._is_paused = True
        for consumer in self._consumers.values():
            consumer.is_paused = True

    def resume(self) -> None:
        """Serves its consumers again."""
        self._is_paused = False
        for consumer in list(self._consumers.values()):
            consumer.queue.resume(consumer)

    def cancel(self, tag: str) -> None:
        """Ends a consumer; what it holds can still be settled."""
        consumer = self._consumers.get(tag)
        if consumer is not None:
            consumer.queue.cancel(consumer)

    def get(self, queue: str) -> TaggedDelivery | None:
        """The next message; None from an empty queue."""
        found = self._or_close(lambda: self._broker.queue(queue))
        asker = Consumer(found, service=self._service, asks=True)
        message = self._or_close(lambda: found.take(asker))
        if message is None:
            return None
        self._askers[self._tag + 1] = asker
        return self._tagged("", asker, message)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Done with. Raises `Refusal` for a tag that is unknown or settled already."""
        for consumer, message in self._taken(tag, multiple=multiple):
            consumer.queue.ack(consumer, message)

    def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        """Given back, or dead. Raises `Refusal` as `ack` does."""
        for consumer, message in self._taken(tag, multiple=multiple):
            if requeue:
                consumer.queue.put_back(consumer, message, Return.NACK)
            else:
                consumer.queue.discard(consumer, message)

    def reject(self, tag: int, *, requeue: bool) -> None:
        """Failed: back into the queue, or dead. Raises `Refusal` as `ack` does."""
        for consumer, message in self._taken(tag, multiple=False):
            if requeue:
                consumer.queue.put_back(consumer, message, Return.REJECT)
            else:
                consumer.queue.discard(consumer, message)

    def close(self) -> int:
        """Gives back everything that isn't settled. How many that were.

        What belongs to one consumer stays together. A quorum queue takes them in the order of
        their tags, as texts, where a get has the tag of its delivery; from 4.0 on consumers come
        first, as they were registered (the keys of rabbit_fifo's map of consumers).
        """
        self.is_open = False
        self._unacked.clear()
        askers = {str(tag): asker for tag, asker in self._askers.items()}
        if self._broker.version < (4, 0):
            holders = askers | self._consumers
            return close_all(holders[tag] for tag in sorted(holders))
        return close_all([*self._consumers.values(), *(askers[tag] for tag in sorted(askers))])

    def _tagged(self, consumer_tag: str, consumer: Consumer, message: Message) -> TaggedDelivery:
        self._tag += 1
        count = consumer.queue.count
        if not consumer.acks_by_itself:
            self._unacked[self._tag] = consumer, message
        return TaggedDelivery(
            self._tag,
            consumer_tag,
            handed_out(message.payload.envelope, count.headers(message, asked=consumer.asks)),
            message.payload.exchange,
            message.payload.routing_keys[0],
            count.is_redelivered(message),
        )

    def _taken(self, tag: int, *, multiple: bool) -> list[tuple[Consumer, Message]]:
        if multiple:
            tags = [each for each in self._unacked if each <= tag or tag == 0]
        else:
            tags = [tag] if tag in self._unacked else []
        if not tags and tag:
            self._or_close(lambda: precondition_failed(f"unknown delivery tag {tag}"))
        for each in tags:
            self._askers.pop(each, None)
        return [self._unacked.pop(each) for each in tags]

    def _or_close(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Refusal as refusal:
            raise self._closed(refusal) from None

    def _closed(self, refusal: Refusal) -> Refusal:
        self.close()
        return refusal
