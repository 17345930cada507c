"""The two ways in which a queue's dead messages reach their exchange.

Receives messages that died from a queue, publishes their remains to where the exchange leads.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from toolkit.topology.declarations import Version
from toolkit.transport.clock import Clock, Timer
from toolkit.transport.memory.death import Reason, dead_lettered, is_cycle
from toolkit.transport.memory.message import Message, Payload
from toolkit.transport.memory.observation import DeadLettered, Listener
from toolkit.transport.memory.queue import DeadLetters, Queue

_WINDOW = 32
"""Messages that an at-least-once worker has on their way (dead_letter_worker_consumer_prefetch)."""
_RETRY = timedelta(seconds=180)
"""How long until it tries again what was refused or unroutable
(dead_letter_worker_publisher_confirm_timeout)."""


class Surroundings(Protocol):
    """What dead-lettering needs of the broker."""

    clock: Clock
    version: Version
    listeners: list[Listener]

    def reached(self, payload: Payload) -> Sequence[Queue]:
        """The queues that a payload reaches; none where its exchange doesn't exist."""
        ...


def dead_letters_for(queue: Queue, surroundings: Surroundings) -> DeadLetters:
    """The way that a queue's settings ask for."""
    if queue.settings.dead_letter_exchange is None:
        return Nowhere()
    if queue.settings.dead_letters_at_least_once:
        return AtLeastOnce(queue, queue.settings.dead_letter_exchange, surroundings)
    return AtMostOnce(queue, queue.settings.dead_letter_exchange, surroundings)


class Nowhere:
    """No dead-letter exchange: what dies is gone."""

    held = 0
    held_bytes = 0
    next_due: datetime | None = None

    def take(self, message: Message, reason: Reason) -> None:
        """See `DeadLetters`."""


class _Way:
    """What both ways have in common."""

    def __init__(self, queue: Queue, exchange: str, surroundings: Surroundings) -> None:
        self._queue = queue
        self._exchange = exchange
        self._around = surroundings

    def _remains(self, message: Message, reason: Reason) -> Payload:
        return dead_lettered(
            message,
            queue=self._queue.name,
            reason=reason,
            exchange=self._exchange,
            routing_key=self._queue.settings.dead_letter_routing_key,
            at=self._around.clock.now(),
            version=self._around.version,
        )

    def _targets(self, remains: Payload, reason: Reason) -> list[Queue]:
        return [
            queue
            for queue in self._around.reached(remains)
            if not is_cycle(remains, queue.name, reason, self._around.version)
        ]

    def _tell(self, remains: Payload, reason: Reason, taken_by: list[Queue]) -> None:
        if not self._around.listeners:
            return
        event = DeadLettered(
            at=self._around.clock.now(),
            envelope=remains.envelope,
            queue=self._queue.name,
            reason=reason,
            exchange=self._exchange,
            routing_key=remains.routing_keys[0],
            queues=tuple(queue.name for queue in taken_by),
        )
        for listener in self._around.listeners:
            listener(event)


class AtMostOnce(_Way):
    """Published once; where no queue takes it, or a cycle closes, it is gone."""

    held = 0
    held_bytes = 0
    next_due: datetime | None = None

    def take(self, message: Message, reason: Reason) -> None:
        """See `DeadLetters`."""
        remains = self._remains(message, reason)
        targets = self._targets(remains, reason)
        self._tell(remains, reason, targets)
        for queue in targets:
            queue.publish(remains, publisher=None)


class _Corpse:
    """A message on its way to its dead-letter exchange."""

    __slots__ = ("message", "reason", "refused_by", "remains", "tried_at", "was_taken")

    def __init__(self, message: Message, reason: Reason) -> None:
        self.message = message
        self.reason = reason
        self.remains: Payload | None = None
        self.refused_by: list[Queue] = []
        self.was_taken = False
        self.tried_at: datetime | None = None


class AtLeastOnce(_Way):
    """Kept until every queue that it is routed to has taken it.

    Up to 32 are on their way; while all of those are stuck, the rest waits behind them. What is
    kept counts towards the queue's limits. A cycle is not broken by dropping: it stays stuck.
    """

    def __init__(self, queue: Queue, exchange: str, surroundings: Surroundings) -> None:
        super().__init__(queue, exchange, surroundings)
        self._waiting: deque[_Corpse] = deque()
        self._stuck: list[_Corpse] = []
        self._timer: Timer | None = None
        self._is_working = False
        self.held = 0
        self.held_bytes = 0
        self.next_due: datetime | None = None

    def take(self, message: Message, reason: Reason) -> None:
        """See `DeadLetters`."""
        self.held += 1
        self.held_bytes += message.size
        self._waiting.append(_Corpse(message, reason))
        self._work()

    def _work(self) -> None:
        if self._is_working:  # a target's consumer made something else die here
            return
        self._is_working = True
        try:
            while self._waiting and len(self._stuck) < _WINDOW:
                self._try(self._waiting.popleft())
        finally:
            self._is_working = False
        if self._stuck and self._timer is None:
            self._timer = self._around.clock.call_later(_RETRY, self._try_again)
            self.next_due = self._around.clock.now() + _RETRY

    def _try(self, corpse: _Corpse) -> None:
        if corpse.remains is None:
            corpse.remains = self._remains(corpse.message, corpse.reason)
            targets = self._targets(corpse.remains, corpse.reason)
            self._tell(corpse.remains, corpse.reason, targets)
        else:
            targets = corpse.refused_by or self._targets(corpse.remains, corpse.reason)
        corpse.refused_by = []
        if targets:
            corpse.tried_at = self._around.clock.now()
        for queue in targets:
            if queue.publish(corpse.remains, publisher=self):
                corpse.was_taken = True
            else:
                corpse.refused_by.append(queue)
        if corpse.refused_by or not corpse.was_taken:
            self._stuck.append(corpse)
        else:
            self.held -= 1
            self.held_bytes -= corpse.message.size

    def _try_again(self) -> None:
        self._timer = self.next_due = None
        now = self._around.clock.now()
        stuck, self._stuck = self._stuck, []
        for corpse in stuck:
            if corpse.tried_at is not None and corpse.tried_at + _RETRY > now:
                self._stuck.append(corpse)
            else:
                self._try(corpse)
        self._work()
