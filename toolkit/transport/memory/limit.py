"""How much a queue may hold, and what happens beyond that.

Receives counts from a queue, answers whether it is over its limit and who may publish.

A classic queue looks at what would be, and refuses. A quorum queue looks at what is, so it takes
one message too many; then it blocks every publisher it knows, until it is at 80 % of its limit
again (rabbit_fifo: `evaluate_limit`, `is_below_soft_limit`).
"""

from typing import Protocol
from weakref import WeakKeyDictionary

from toolkit.transport.memory.argument import QueueSettings

_LOW_WATER = 0.8


class Contents(Protocol):
    """What counts towards a limit."""

    @property
    def total(self) -> int:
        """Messages that are ready, or wait to be dead-lettered at least once."""
        ...

    @property
    def total_bytes(self) -> int:
        """Their bodies' bytes."""
        ...


class Limit:
    """The limits of one queue, in messages and in bytes."""

    def __init__(self, settings: QueueSettings, contents: Contents) -> None:
        self.is_set = settings.max_length is not None or settings.max_bytes is not None
        self.drops_head = settings.overflow == "drop-head"
        self._contents = contents
        self._count = settings.max_length
        self._bytes = settings.max_bytes
        self._is_quorum = settings.kind == "quorum"
        self._refuses = settings.overflow.startswith("reject-publish")
        self._publishers: WeakKeyDictionary[object, bool] = WeakKeyDictionary()

    @property
    def is_exceeded(self) -> bool:
        """Whether the queue holds more than it may."""
        return self._is_over(self._contents.total, self._contents.total_bytes)

    def refuses(self, size: int, publisher: object | None) -> bool:
        """Whether a message of this size is not taken.

        A quorum queue never refuses what comes without a publisher, which is how the broker
        dead-letters at most once; a classic one does.
        """
        if not self._refuses:
            return False
        if not self._is_quorum:
            return self._is_over(self._contents.total + 1, self._contents.total_bytes + size)
        if publisher is None:
            return False
        if publisher not in self._publishers:
            self._publishers[publisher] = self.is_exceeded
        return self._publishers[publisher]

    def tell_publishers(self) -> None:
        """After something has changed: blocks all, or lets all go on, or neither."""
        if not self._publishers:
            return
        if self.is_exceeded:
            is_blocked = True
        elif self._is_well_below:
            is_blocked = False
        else:
            return
        for publisher in self._publishers:
            self._publishers[publisher] = is_blocked

    def _is_over(self, count: int, size: int) -> bool:
        return (self._count is not None and count > self._count) or (
            self._bytes is not None and size > self._bytes
        )

    @property
    def _is_well_below(self) -> bool:
        contents = self._contents
        return (self._count is None or contents.total <= int(self._count * _LOW_WATER)) and (
            self._bytes is None or contents.total_bytes <= int(self._bytes * _LOW_WATER)
        )
