"""One queue: what is ready, what is out, and whose turn it is.

Receives payloads from the broker, hands messages to consumers in turn, and gives those that die
to its dead letters. All of it happens in the call that brings it about.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from toolkit.topology.declarations import Version
from toolkit.transport.clock import Clock
from toolkit.transport.memory.argument import QueueSettings
from toolkit.transport.memory.consumer import Consumer
from toolkit.transport.memory.deadline import MessageDeadline, UnusedDeadline
from toolkit.transport.memory.death import Reason
from toolkit.transport.memory.delivery_count import DeliveryCount, Return
from toolkit.transport.memory.limit import Limit
from toolkit.transport.memory.line import Line
from toolkit.transport.memory.message import Message, Payload
from toolkit.transport.memory.observation import Delivered, Expired, Listener, Mark, Settled
from toolkit.transport.memory.ready import order_for
from toolkit.transport.memory.refusal import (
    RESOURCE_LOCKED,
    Refusal,
    described,
    precondition_failed,
)

_MARKS: dict[Return, Mark] = {
    Return.NACK: "given back",
    Return.REJECT: "rejected",
    Return.LOST: "lost",
    Return.DISCARD: "dead-lettered",
}


class Surroundings(Protocol):
    """What a queue needs of its broker."""

    clock: Clock
    version: Version
    listeners: list[Listener]

    def delete_queue(self, name: str) -> int:
        """Deletes a queue that nobody uses."""
        ...


class DeadLetters(Protocol):
    """Where a queue's dead messages go."""

    held: int
    """How many still count as the queue's own."""
    held_bytes: int
    """Their bodies' bytes."""
    next_due: datetime | None
    """When it tries again; None if nothing is stuck."""

    def take(self, message: Message, reason: Reason) -> None:
        """Takes one over."""
        ...


class Queue:
    """A queue of either type. Every method leaves it at rest: whoever can be served has been."""

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        surroundings: Surroundings,
        dead_letters: Callable[["Queue"], DeadLetters],
    ) -> None:
        clock, version = surroundings.clock, surroundings.version
        self.name = name
        self.settings = settings
        self.ready = 0
        self.ready_bytes = 0
        self.unacked = 0
        self.consumers: list[Consumer] = []
        self.count = DeliveryCount(settings, version)
        self._around = surroundings
        self._dead_letters = dead_letters(self)
        self._order = order_for(settings, version)
        self._limit = Limit(settings, self)
        self._deadline = MessageDeadline(settings, clock, self._tidy)
        self._unused = UnusedDeadline(
            settings.expires,
            clock,
            is_in_use=lambda: bool(self.consumers),
            remove=lambda: surroundings.delete_queue(name),
        )
        self._has_deadlines = settings.ttl is not None
        self._line = Line(settings)
        self._turns = self._line.turns
        self._place = 0
        self._place_of_faults = 0
        self._arriving: Message | None = None
        self._is_serving = False
        self._is_deleted = False

    @property
    def total(self) -> int:
        """See `Contents`."""
        return self.ready + self._dead_letters.held

    @property
    def total_bytes(self) -> int:
        """See `Contents`."""
        return self.ready_bytes + self._dead_letters.held_bytes

    @property
    def is_deliverable(self) -> bool:
        """Whether something is ready and somebody has room for it."""
        return bool(self.ready) and self._line.has_room()

    @property
    def next_due(self) -> datetime | None:
        """When the head, the queue itself or a retry of its dead letters is due."""
        head = self._order.head().expires if self._has_deadlines and self.ready else None
        dues = (head, self._unused.due, self._dead_letters.next_due)
        return min((due for due in dues if due is not None), default=None)

    # -------------------------------------------------------------------------- publishing

    def publish(self, payload: Payload, publisher: object | None) -> bool:
        """Takes a message, or answers no because it is full."""
        if self._limit.is_set and self._refuses(payload, publisher):
            return False
        self._place += 1
        message = Message(payload, self._place)
        if self._has_deadlines or payload.ttl is not None:
            message.expires = self._deadline.of(payload)
            self._has_deadlines = True
        self._order.append(message)
        self.ready += 1
        self.ready_bytes += message.size
        self._arriving = message
        self._settle_down()
        self._arriving = None
        return True

    def _refuses(self, payload: Payload, publisher: object | None) -> bool:
        if not self._limit.refuses(len(payload.envelope.body), publisher):
            return False
        if self.settings.overflow == "reject-publish-dlx" and self.settings.kind == "classic":
            self._dead_letters.take(Message(payload, 0), "maxlen")
        return True

    # -------------------------------------------------------------------------- consuming

    def add(self, consumer: Consumer) -> None:
        """Begins to serve a consumer. Where only one may be active, the others wait."""
        self.consumers.append(consumer)
        self._line_up(consumer)
        self._settle_down()

    def resume(self, consumer: Consumer) -> None:
        """Serves a consumer again that was paused."""
        consumer.is_paused = False
        self._line_up(consumer)
        self._settle_down()

    def cancel(self, consumer: Consumer) -> None:
        """Serves it no longer. What it holds stays its own."""
        if consumer.is_cancelled:
            return
        self._take_out(consumer)
        self._after_leaving()

    def withdraw(self, consumer: Consumer) -> None:
        """Serves it no longer, and leaves the rest to `close`, which has to follow."""
        self._take_out(consumer)

    def close(self, consumer: Consumer) -> int:
        """Its channel has gone, so everything it held goes back. How many that were."""
        if not consumer.is_open:
            return 0
        consumer.is_open = False
        self._take_out(consumer)
        held = list(consumer.unacked.values())
        for message in held:
            self._release(consumer, message, Return.LOST)
            self._put_back(message, Return.LOST)
        self._tidy_before_serving()
        self._settle_down()
        self._after_leaving()
        return len(held)

    def take(self, consumer: Consumer) -> Message | None:
        """The next message for somebody who asks for one; see `basic.get`. Raises `Refusal`."""
        if self.settings.kind == "quorum" and self.settings.has_single_active_consumer:
            raise Refusal(
                RESOURCE_LOCKED,
                f"cannot obtain access to locked {described('queue', self.name)}. basic.get "
                "operations are not supported by quorum queues with single active consumer",
            )
        self._unused.used()
        self._tidy()
        if not self.ready:
            return None
        message = self._pop()
        self.unacked += 1
        consumer.unacked[message.place] = message
        if self._around.listeners:
            self._tell_delivered(consumer, message)
        self._tidy()
        return message

    def _line_up(self, consumer: Consumer) -> None:
        if not consumer.is_waiting:
            self._line.add(consumer, self.consumers)

    def _take_out(self, consumer: Consumer) -> None:
        consumer.is_cancelled = True
        if consumer in self.consumers:
            self.consumers.remove(consumer)
        self._line.remove(consumer)

    def _after_leaving(self) -> None:
        """The next consumer may be active now, or the queue may have to go."""
        self._unused.used()
        if self.consumers:
            self._line_up(self.consumers[0])
            self._settle_down()
        elif self.settings.is_auto_delete and not self._is_deleted:
            self._around.delete_queue(self.name)

    def _serve(self) -> None:
        """Hands out what there is to whoever is in line.

        A consumer may settle, publish or cancel while it is handed something: that changes the
        line and the messages under our hands, and the loop goes on with what it finds.
        """
        if self._is_serving:
            return
        self._is_serving = True
        line, turns, around = self._line, self._turns, self._around
        try:
            while turns and self.ready:
                if self._has_deadlines and self._expire_head(is_wanted=True):
                    continue
                consumer = line.next()
                if consumer is None:
                    break
                message = self._pop()
                if not consumer.acks_by_itself:
                    self.unacked += 1
                    consumer.unacked[message.place] = message
                line.served(consumer)
                if around.listeners:
                    self._tell_delivered(consumer, message)
                consumer.hand(consumer, message)
        finally:
            self._is_serving = False

    def _pop(self) -> Message:
        message = self._order.pop()
        self.ready -= 1
        self.ready_bytes -= message.size
        return message

    # -------------------------------------------------------------------------- settling

    def ack(self, consumer: Consumer, message: Message) -> None:
        """Done with."""
        if consumer.unacked.pop(message.place, None) is None:
            precondition_failed(f"unknown delivery tag {message.place}")
        self.unacked -= 1
        if self._around.listeners:
            self._tell_settled(consumer, message, "acked")
        self._line_up(consumer)
        self._settle_down()

    def put_back(self, consumer: Consumer, message: Message, how: Return) -> None:
        """Back into the queue, or dead, if it was out too often."""
        self._release(consumer, message, how)
        is_back = self._put_back(message, how)
        if not is_back and consumer.prefetch and self._around.version < (4, 0):
            # RabbitMQ gives the credit back twice for a message past its delivery limit
            # (rabbit_fifo:return/5, return_one/6), so there is room for one more from now on.
            consumer.prefetch += 1
        self._tidy_before_serving()
        self._line_up(consumer)
        self._settle_down()

    def discard(self, consumer: Consumer, message: Message) -> None:
        """Rejected without requeue: dead."""
        self._release(consumer, message, Return.DISCARD)
        self.count.note(message, Return.DISCARD)
        self._dead_letters.take(message, "rejected")
        self._line_up(consumer)
        self._settle_down()

    def deliver_again(self, message: Message) -> None:
        """As if an ack had been lost together with its channel: a fault, for tests."""
        self._place_of_faults -= 1
        again = Message(message.payload, self._place_of_faults)
        again.acquired, again.failed = message.acquired, message.failed
        self._put_back(again, Return.LOST)
        self._settle_down()

    def _release(self, consumer: Consumer, message: Message, how: Return) -> None:
        if consumer.unacked.pop(message.place, None) is None:
            precondition_failed(f"unknown delivery tag {message.place}")
        self.unacked -= 1
        if self._around.listeners:
            self._tell_settled(consumer, message, _MARKS[how])

    def _put_back(self, message: Message, how: Return) -> bool:
        """Whether it could go back."""
        if self._is_deleted:
            return True
        self.count.note(message, how)
        if self.count.is_past_limit(message):
            self._dead_letters.take(message, "delivery_limit")
            return False
        if self.count.goes_to_the_back(how):
            self._place += 1
            message.place = self._place
            self._order.put_behind(message)
        else:
            self._order.put_back(message)
        self.ready += 1
        self.ready_bytes += message.size
        return True

    # -------------------------------------------------------------------------- limits and time

    def _settle_down(self) -> None:
        """After any change: serves who waits, then looks at limits and deadlines."""
        if self.ready and self._turns:
            self._serve()
        if self._limit.is_set or self._has_deadlines:
            self._tidy()

    def _tidy_before_serving(self) -> None:
        """A full classic queue drops what has come back before anybody gets it again."""
        if self.settings.kind == "classic" and (self._limit.is_set or self._has_deadlines):
            self._tidy()

    def _tidy(self) -> None:
        if self._is_serving:
            return  # whoever serves does it afterwards
        if self._limit.is_set:
            if self._limit.drops_head:
                while self.ready and self._limit.is_exceeded:
                    self._dead_letters.take(self._pop(), "maxlen")
            self._limit.tell_publishers()
        if self._has_deadlines and not self._is_deleted:
            while self.ready and self._expire_head():
                pass
            self._deadline.watch(self._order.head().expires if self.ready else None)

    def _expire_head(self, *, is_wanted: bool = False) -> bool:
        """Whether the head's time was up. A classic queue gives a message whose time ends just
        now, or as it comes, to whoever waits for one, so a time to live of zero means "now or
        never".
        """
        head = self._order.head()
        expires = head.expires
        if expires is None:
            return False
        now = self._around.clock.now()
        if expires > now:
            return False
        is_just_now = expires == now or head is self._arriving
        if is_just_now and is_wanted and self.settings.kind == "classic":
            return False
        message = self._pop()
        for listener in self._around.listeners:
            listener(Expired(at=now, envelope=message.payload.envelope, queue=self.name))
        self._dead_letters.take(message, "expired")
        return True

    # -------------------------------------------------------------------------- life and death

    def declared_again(self) -> None:
        """A declaration counts as use."""
        self._unused.used()

    def purge(self) -> int:
        """Throws away what is ready; nothing of it is dead-lettered. How many that were."""
        count = self.ready
        self._order = order_for(self.settings, self._around.version)
        self.ready = self.ready_bytes = 0
        self._tidy()
        return count

    def delete(self) -> None:
        """Goes away with everything in it; its consumers are told."""
        self._is_deleted = True
        self.purge()
        self._deadline.forget()
        self._unused.forget()
        consumers = list(self.consumers)
        for consumer in consumers:
            self._take_out(consumer)
        for consumer in consumers:
            consumer.gone()

    # -------------------------------------------------------------------------- observation

    def _tell_delivered(self, consumer: Consumer, message: Message) -> None:
        event = Delivered(
            at=self._around.clock.now(),
            envelope=message.payload.envelope,
            queue=self.name,
            service=consumer.service,
            earlier_deliveries=message.acquired,
            message=message,
        )
        for listener in self._around.listeners:
            listener(event)

    def _tell_settled(self, consumer: Consumer, message: Message, mark: Mark) -> None:
        event = Settled(
            at=self._around.clock.now(),
            envelope=message.payload.envelope,
            queue=self.name,
            service=consumer.service,
            mark=mark,
            message=message,
        )
        for listener in self._around.listeners:
            listener(event)
