"""A test's own time.

Receives deadlines from queues, connections and the engine, calls them back. Nothing runs between
two deadlines, and a pending one keeps no event loop alive.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from toolkit.transport.clock import Timer

_TURNS = 50
"""Turns of the event loop in which what a deadline set off gets done; a handler that
publishes takes about ten."""

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When a virtual clock begins unless told otherwise."""


class _Deadline:
    """An entry of the virtual clock's list."""

    __slots__ = ("callback", "due", "number")

    def __init__(self, due: datetime, number: int, callback: Callable[[], None]) -> None:
        self.due = due
        self.number = number
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: "_Deadline") -> bool:
        return (self.due, self.number) < (other.due, other.number)

    def cancel(self) -> None:
        """See `Timer`."""
        self.callback = None


class VirtualClock:
    """Time that stands still until a test moves it.

    `settle` is awaited after every moment at which something was due, so that what it set off is
    done before the next: by default the event loop turns a number of times.
    """

    def __init__(
        self, start: datetime = BEGINNING, *, settle: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._now = start
        self._settle = settle or let_the_loop_turn
        self._numbers = count()
        self._deadlines: list[_Deadline] = []
        self.sleepers = 0
        """How many wait in `sleep`: only time can wake them."""

    def now(self) -> datetime:
        """See `Clock`."""
        return self._now

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        deadline = _Deadline(self._now + delay, next(self._numbers), callback)
        heapq.heappush(self._deadlines, deadline)
        return deadline

    async def sleep(self, delay: timedelta) -> None:
        """See `Clock`."""
        over = asyncio.Event()

        def wake() -> None:
            self.sleepers -= 1
            over.set()

        timer = self.call_later(delay, wake)
        self.sleepers += 1
        try:
            await over.wait()
        finally:
            if not over.is_set():  # cancelled
                self.sleepers -= 1
                timer.cancel()

    def stopwatch(self) -> Callable[[], float]:
        """See `Clock`."""

        def seconds() -> float:
            return (self._now - BEGINNING).total_seconds()

        return seconds

    @property
    def next_due(self) -> datetime | None:
        """When the next deadline is; None if nobody waits for one."""
        while self._deadlines and self._deadlines[0].callback is None:
            heapq.heappop(self._deadlines)
        return self._deadlines[0].due if self._deadlines else None

    async def advance(self, step: timedelta) -> None:
        """Moves time forward, through every deadline on the way, in their order."""
        end = self._now + step
        await self._settle()
        while (due := self.next_due) is not None and due <= end:
            self._now = max(due, self._now)
            self._run_due()
            await self._settle()
        self._now = end

    def jump(self, step: timedelta) -> None:
        """The same for code that needs no event loop: nothing settles in between."""
        end = self._now + step
        while (due := self.next_due) is not None and due <= end:
            self._now = max(due, self._now)
            self._run_due()
        self._now = end

    def _run_due(self) -> None:
        """What is due now, except what comes to be due meanwhile: that gets a turn of its own."""
        due = []
        while self._deadlines and self._deadlines[0].due <= self._now:
            due.append(heapq.heappop(self._deadlines))
        for deadline in due:
            if deadline.callback is not None:
                deadline.callback()


async def let_the_loop_turn() -> None:
    """Gives everything that is ready the turns it needs; waits for no time to pass."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
