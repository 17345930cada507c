"""Messages in: deliveries of the port, and the consumers that are kept registered.

Receives messages from a queue, hands `MemoryDelivery`s to a pump and their marks to the queue at
once: there is no wire on which a mark could be late.
"""

from collections.abc import Callable
from typing import TypeAlias

import structlog

from toolkit.errors import TransportError
from toolkit.messages.envelope import Envelope
from toolkit.messages.headers import delivery_count
from toolkit.transport.condition import ConsumerCondition, ConsumerState
from toolkit.transport.memory.broker import MemoryBroker
from toolkit.transport.memory.consumer import Consumer
from toolkit.transport.memory.delivery_count import Return
from toolkit.transport.memory.message import Message, handed_out
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.port import Delivery

log = structlog.get_logger("toolkit.transport")

Deliver: TypeAlias = Callable[[Delivery], None]
LosesAck: TypeAlias = Callable[[str], bool]
"""Whether a test has ordered an ack to be lost, with the connection gone when it answers."""


class MemoryDelivery:
    """See `Delivery`."""

    __slots__ = (
        "_consumer",
        "_loses_ack",
        "_message",
        "envelope",
        "is_redelivered",
        "is_settled",
    )

    def __init__(self, consumer: Consumer, message: Message, loses_ack: LosesAck) -> None:
        self._consumer = consumer
        self._message = message
        self._loses_ack = loses_ack
        count = consumer.queue.count
        self.envelope: Envelope = handed_out(
            message.payload.envelope, count.headers(message, asked=consumer.asks)
        )
        self.is_redelivered = count.is_redelivered(message)
        self.is_settled = False

    @property
    def exchange(self) -> str:
        """See `Delivery`."""
        return self._message.payload.exchange

    @property
    def routing_key(self) -> str:
        """See `Delivery`."""
        return self._message.payload.routing_keys[0]

    @property
    def earlier_deliveries(self) -> int:
        """See `Delivery`."""
        return delivery_count(self.envelope.headers)

    @property
    def is_live(self) -> bool:
        """See `Delivery`."""
        return self._consumer.is_open

    def ack(self) -> None:
        """See `Delivery`."""
        self._settle()
        consumer = self._consumer
        if consumer.is_open and not self._loses_ack(consumer.queue.name):
            consumer.queue.ack(consumer, self._message)

    def reject(self) -> None:
        """See `Delivery`."""
        self._settle()
        if self._consumer.is_open:
            self._consumer.queue.put_back(self._consumer, self._message, Return.REJECT)

    def give_back(self) -> None:
        """See `Delivery`."""
        self._settle()
        if self._consumer.is_open:
            self._consumer.queue.put_back(self._consumer, self._message, Return.NACK)

    def _settle(self) -> None:
        if self.is_settled:
            raise RuntimeError("this delivery is settled already")
        self.is_settled = True


class MemorySubscriber:
    """See `Subscriber`."""

    def __init__(
        self,
        broker: MemoryBroker,
        queue: str,
        *,
        service: str,
        prefetch: int,
        deliver: Deliver,
        loses_ack: LosesAck,
        on_cancel: Callable[[], None],
    ) -> None:
        self.queue = queue
        self._broker = broker
        self._service = service
        self._prefetch = prefetch
        self._deliver = deliver
        self._loses_ack = loses_ack
        self._on_cancel = on_cancel
        self._consumers: list[Consumer] = []
        self._is_stopped = False
        self._drift: str | None = None
        self.condition = ConsumerCondition(queue=queue, since=broker.clock.now())

    def register(self) -> None:
        """Begins to consume. Raises a `TransportError` where there is no such queue."""
        if self._is_stopped or self.condition.is_registered:
            return
        try:
            queue = self._broker.queue(self.queue)
        except Refusal as refusal:
            problem = f"consuming queue '{self.queue}' failed: {refusal}"
            self._become(ConsumerState.UNREGISTERED, problem)
            raise TransportError(problem) from refusal
        consumer = Consumer(
            queue,
            prefetch=self._prefetch,
            hand=self._hand,
            gone=self._cancelled,
            service=self._service,
        )
        self._consumers = [*(c for c in self._consumers if c.unacked), consumer]
        self._become_registered()
        queue.add(consumer)

    def compare(self, drift: str | None) -> None:
        """Notes what the broker holds otherwise than declared of its queue; None for nothing."""
        self._drift = drift
        if self.condition.is_registered:
            self._become_registered()

    def _become_registered(self) -> None:
        self.condition = self.condition.register(self._drift, at=self._broker.clock.now())

    def _become(self, state: ConsumerState, reason: str | None) -> None:
        now = self._broker.clock.now()
        self.condition = self.condition.become(state, at=now, reason=reason)

    async def suspend(self) -> None:
        """See `Subscriber`."""
        self._end("suspended")

    async def resume(self, *, prefetch: int) -> None:
        """See `Subscriber`."""
        self._is_stopped = False
        self._prefetch = prefetch
        self._on_cancel()

    async def stop(self) -> None:
        """See `Subscriber`."""
        self._end("stopped")

    def _end(self, why: str) -> None:
        self._is_stopped = True
        self._become(ConsumerState.UNREGISTERED, why)
        for consumer in self._consumers:
            consumer.queue.cancel(consumer)

    def forget(self) -> list[Consumer]:
        """Its channel is about to go; what has to be closed."""
        consumers, self._consumers = self._consumers, []
        if not self._is_stopped:
            self._become(ConsumerState.UNREGISTERED, "the connection was lost")
        return consumers

    def _hand(self, consumer: Consumer, message: Message) -> None:
        self._deliver(MemoryDelivery(consumer, message, self._loses_ack))

    def _cancelled(self) -> None:
        log.warning("consumer lost", queue=self.queue)
        if not self._is_stopped:
            self._become(ConsumerState.UNREGISTERED, "the broker cancelled it: its queue is gone")
            self._on_cancel()


class Taker:
    """Looks into queues and takes single messages."""

    def __init__(self, broker: MemoryBroker, service: str, loses_ack: LosesAck) -> None:
        self._broker = broker
        self._service = service
        self._loses_ack = loses_ack
        self._askers: list[Consumer] = []

    def count(self, queue: str) -> int:
        """See `Transport`."""
        try:
            return self._broker.queue(queue).ready
        except Refusal as refusal:
            raise TransportError(f"counting queue '{queue}' failed: {refusal}") from refusal

    def take(self, queue: str) -> MemoryDelivery | None:
        """See `Transport`."""
        try:
            found = self._broker.queue(queue)
            asker = Consumer(found, service=self._service, asks=True)
            message = found.take(asker)
        except Refusal as refusal:
            raise TransportError(f"taking from queue '{queue}' failed: {refusal}") from refusal
        if message is None:
            return None
        self._askers = [*(each for each in self._askers if each.unacked), asker]
        return MemoryDelivery(asker, message, self._loses_ack)

    def forget(self) -> list[Consumer]:
        """The channel is about to go; what has to be closed."""
        askers, self._askers = self._askers, []
        return askers
