"""The order in which a queue's messages come out, which is where the queue types differ.

Receives messages from a queue, hands back the next one. None of these knows time or consumers.

A message that is returned goes in front of what was never handed out, on both types. Among
returned ones a quorum queue keeps the order in which they came back, a classic queue the order in
which they were published (rabbit_fifo's `returns`; `rabbit_variable_queue:requeue/2`). Only a
quorum queue without a delivery limit puts what a client returns behind all others: see
`delivery_count`.
"""

import heapq
from collections import deque
from typing import Protocol

from toolkit.topology.declarations import Version
from toolkit.transport.memory.argument import QueueSettings
from toolkit.transport.memory.message import Message

_HIGH = 5
"""From this priority on a quorum queue of 4.0 to 4.2 serves a message first."""
_IN_A_ROW = 2
"""How many of those, at most, before one of the others has its turn."""
_QUORUM_PRIORITIES = 32
_QUORUM_DEFAULT = 4


class Order(Protocol):
    """Messages that are ready. `head` and `pop` may only be asked of one that isn't empty."""

    def append(self, message: Message) -> None:
        """Takes a message that comes for the first time."""
        ...

    def put_back(self, message: Message) -> None:
        """Takes a message that was out already."""
        ...

    def put_behind(self, message: Message) -> None:
        """Takes a message that was out already, behind all others."""
        ...

    def head(self) -> Message:
        """The next one, which stays."""
        ...

    def pop(self) -> Message:
        """The next one, which leaves."""
        ...


def order_for(settings: QueueSettings, version: Version) -> Order:
    """The order that queues of this kind have on a broker of this version."""
    if settings.kind == "classic":
        if settings.priorities:
            return ClassicPriorityOrder(settings.priorities)
        return ClassicOrder()
    if version < (4, 0):
        return QuorumOrder()
    return TwoLevelOrder() if version < (4, 3) else LevelOrder()


class QuorumOrder:
    """First in, first out, and what was returned before that."""

    def __init__(self) -> None:
        self._returned: deque[Message] = deque()
        self._messages: deque[Message] = deque()

    def append(self, message: Message) -> None:
        """See `Order`."""
        self._messages.append(message)

    def put_back(self, message: Message) -> None:
        """See `Order`."""
        self._returned.append(message)

    def put_behind(self, message: Message) -> None:
        """See `Order`."""
        self._messages.append(message)

    def head(self) -> Message:
        """See `Order`."""
        return (self._returned or self._messages)[0]

    def pop(self) -> Message:
        """See `Order`."""
        return (self._returned or self._messages).popleft()


class TwoLevelOrder:
    """Two messages of high priority, then one of the rest (rabbit_fifo_q of RabbitMQ 4.0)."""

    def __init__(self) -> None:
        self._returned: deque[Message] = deque()
        self._high: deque[Message] = deque()
        self._rest: deque[Message] = deque()
        self._taken = 0

    def append(self, message: Message) -> None:
        """See `Order`."""
        (self._high if message.payload.priority >= _HIGH else self._rest).append(message)

    def put_back(self, message: Message) -> None:
        """See `Order`."""
        self._returned.append(message)

    def put_behind(self, message: Message) -> None:
        """See `Order`."""
        self._rest.append(message)

    def head(self) -> Message:
        """See `Order`."""
        return (self._returned or self._next())[0]

    def pop(self) -> Message:
        """See `Order`."""
        if self._returned:
            return self._returned.popleft()
        messages = self._next()
        self._taken = 0 if self._taken == _IN_A_ROW else self._taken + 1
        return messages.popleft()

    def _next(self) -> deque[Message]:
        if not self._high:
            return self._rest
        if self._rest and self._taken == _IN_A_ROW and not self._is_high_older():
            return self._rest
        return self._high

    def _is_high_older(self) -> bool:
        return self._high[0].place < self._rest[0].place


class LevelOrder:
    """32 strict levels; without a priority a message has 4 (rabbit_fifo_pq of RabbitMQ 4.3)."""

    def __init__(self) -> None:
        self._returned: deque[Message] = deque()
        self._levels: dict[int, deque[Message]] = {}

    def append(self, message: Message) -> None:
        """See `Order`."""
        priority = message.payload.envelope.priority
        level = _QUORUM_DEFAULT if priority is None else min(priority, _QUORUM_PRIORITIES - 1)
        self._levels.setdefault(level, deque()).append(message)

    def put_back(self, message: Message) -> None:
        """See `Order`."""
        self._returned.append(message)

    def put_behind(self, message: Message) -> None:
        """See `Order`."""
        self._levels.setdefault(_QUORUM_DEFAULT, deque()).append(message)

    def head(self) -> Message:
        """See `Order`."""
        return self._returned[0] if self._returned else self._levels[max(self._levels)][0]

    def pop(self) -> Message:
        """See `Order`."""
        if self._returned:
            return self._returned.popleft()
        level = max(self._levels)
        message = self._levels[level].popleft()
        if not self._levels[level]:
            del self._levels[level]
        return message


class ClassicOrder:
    """The order of publishing; a message that is returned gets its old place again.

    Whatever was out had been the oldest, so returned ones always come before the others.
    """

    def __init__(self) -> None:
        self._returned: list[tuple[int, Message]] = []
        self._messages: deque[Message] = deque()

    def __bool__(self) -> bool:
        return bool(self._returned or self._messages)

    def append(self, message: Message) -> None:
        """See `Order`."""
        self._messages.append(message)

    def put_back(self, message: Message) -> None:
        """See `Order`."""
        heapq.heappush(self._returned, (message.place, message))

    def put_behind(self, message: Message) -> None:
        """See `Order`."""
        self.put_back(message)

    def head(self) -> Message:
        """See `Order`."""
        return self._returned[0][1] if self._returned else self._messages[0]

    def pop(self) -> Message:
        """See `Order`."""
        if self._returned:
            return heapq.heappop(self._returned)[1]
        return self._messages.popleft()


class ClassicPriorityOrder:
    """A classic order for each priority, the highest first. A priority over it counts as it."""

    def __init__(self, highest: int) -> None:
        self._orders = [ClassicOrder() for _ in range(highest + 1)]

    def append(self, message: Message) -> None:
        """See `Order`."""
        self._order_of(message).append(message)

    def put_back(self, message: Message) -> None:
        """See `Order`."""
        self._order_of(message).put_back(message)

    def put_behind(self, message: Message) -> None:
        """See `Order`."""
        self.put_back(message)

    def head(self) -> Message:
        """See `Order`."""
        return self._first().head()

    def pop(self) -> Message:
        """See `Order`."""
        return self._first().pop()

    def _order_of(self, message: Message) -> ClassicOrder:
        return self._orders[min(message.payload.priority, len(self._orders) - 1)]

    def _first(self) -> ClassicOrder:
        return next(order for order in reversed(self._orders) if order)
