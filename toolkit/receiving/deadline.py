"""How long a run of a handler may take: one timer for all the runs of a consumer.

Receives beginnings and ends of runs from the pipeline, cancels the worker of a run whose time is
over.

Every run has the same limit, so their deadlines come in the order in which they began, and only
the oldest needs a timer. One of its own for each message, as `asyncio.timeout` has, cost more than
all the rest of the pipeline.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from toolkit.transport.clock import Clock, Timer

Run = asyncio.Task[object]
"""A run is known by the task that it runs in, which has just one at a time."""


class Deadlines:
    """The time limit of one consumer's runs."""

    def __init__(self, limit: timedelta, clock: Clock) -> None:
        self.limit = limit
        self._seconds = limit.total_seconds()
        self._clock = clock
        self._runs: dict[Run, tuple[float, int]] = {}  # the oldest first
        self._expired: dict[Run, int] = {}
        self._timer: Timer | None = None
        self._next = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._time: Callable[[], float]

    def begin(self) -> Run:
        """The current task begins a run."""
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._time = self._clock.stopwatch()
            self._await(self._time() + self._seconds, self.limit)
        run = asyncio.current_task(self._loop)
        assert run is not None
        self._runs[run] = (self._time() + self._seconds, run.cancelling())
        return run

    def end(self, run: Run) -> bool:
        """It is over; whether it was cancelled because its time was, and for no other reason.

        As `asyncio.Timeout` does, this takes back the one cancellation that was ours.
        """
        if self._runs.pop(run, None) is not None:
            return False
        return run.uncancel() <= self._expired.pop(run)

    def close(self) -> None:
        """Waits for nothing any more; for the end of the consumer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _await(self, due: float, delay: timedelta) -> None:
        self._next = due
        self._timer = self._clock.call_later(delay, self._expire)

    def _expire(self) -> None:
        """A timer that was set for a run that has ended meanwhile looks for the next."""
        self._timer = None
        now = max(self._time(), self._next)  # timers may be early by a rounding error
        while self._runs:
            run, (due, cancelling) = next(iter(self._runs.items()))
            if due > now:
                self._await(due, timedelta(seconds=due - now))
                return
            del self._runs[run]
            self._expired[run] = cancelling
            run.cancel()
