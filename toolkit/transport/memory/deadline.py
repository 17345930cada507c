"""What time does to a queue: messages that expire, and the queue itself.

Receives a look at the head of a queue, calls the queue when its time is up. There is never more
than one timer for messages and one for the queue, and none is set where none is needed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from toolkit.transport.clock import Clock, Timer
from toolkit.transport.memory.argument import QueueSettings
from toolkit.transport.memory.message import Payload

_AT_ONCE = timedelta(milliseconds=1)
"""How long a message without any time to live may live in a quorum queue (rabbit_fifo)."""


class MessageDeadline:
    """When the message at the head expires. Those behind it wait, on both types of queue."""

    def __init__(self, settings: QueueSettings, clock: Clock, expire: Callable[[], None]) -> None:
        self.due: datetime | None = None
        self._ttl = settings.ttl
        self._is_quorum = settings.kind == "quorum"
        self._clock = clock
        self._expire = expire
        self._timer: Timer | None = None

    def of(self, payload: Payload) -> datetime | None:
        """When a message that comes now expires: the shorter of the queue's time and its own."""
        ttl = self._ttl if payload.ttl is None else payload.ttl
        if ttl is None:
            return None
        if self._ttl is not None and self._ttl < ttl:
            ttl = self._ttl
        if not ttl and self._is_quorum:
            ttl = _AT_ONCE
        return self._clock.now() + ttl

    def watch(self, expires: datetime | None) -> None:
        """Takes note of the head's deadline. A timer that comes too early looks again."""
        if expires is None or (self.due is not None and self.due <= expires):
            return
        self.forget()
        self.due = expires
        self._timer = self._clock.call_later(expires - self._clock.now(), self._on_time)

    def forget(self) -> None:
        """Waits for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.due = None

    def _on_time(self) -> None:
        self._timer = self.due = None
        self._expire()


class UnusedDeadline:
    """When a queue has been unused for as long as it allows, and goes.

    Used is what has a consumer, was asked for a message, or was declared again.
    """

    def __init__(
        self,
        lifetime: timedelta | None,
        clock: Clock,
        *,
        is_in_use: Callable[[], bool],
        remove: Callable[[], object],
    ) -> None:
        self.due: datetime | None = None
        self._lifetime = lifetime
        self._clock = clock
        self._is_in_use = is_in_use
        self._remove = remove
        self._used_at = clock.now()
        if lifetime is not None:
            self._look_after(lifetime)

    def used(self) -> None:
        """It was used just now."""
        if self._lifetime is not None:
            self._used_at = self._clock.now()

    def forget(self) -> None:
        """The queue has gone."""
        self._lifetime = self.due = None

    def _look_after(self, time: timedelta) -> None:
        self.due = self._clock.now() + time
        self._clock.call_later(time, self._look)

    def _look(self) -> None:
        self.due = None
        if self._lifetime is None:
            return
        if self._is_in_use():
            self._look_after(self._lifetime)
            return
        left = self._used_at + self._lifetime - self._clock.now()
        if left > timedelta(0):
            self._look_after(left)
        else:
            self._remove()
