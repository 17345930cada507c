"""So many a second, whatever each of them takes.

Receives a rate and a stopwatch, hands whoever sends the time until the next one is due.
"""

from collections.abc import Callable

_MOST_BEHIND = (
    1.0  # seconds that are made up for; what an outage took longer is not sent in a burst
)


class Pace:
    """A schedule that doesn't drift: each moment follows from the one before, and not from when
    that was kept.
    """

    def __init__(self, rate: float, stopwatch: Callable[[], float]) -> None:
        self._interval = 1 / rate
        self._now = stopwatch
        self._due = stopwatch()

    def wait(self) -> float:
        """Seconds until the next one is due, to be asked once for each; 0 if it is late."""
        now = self._now()
        due = max(self._due, now - _MOST_BEHIND)
        self._due = due + self._interval
        return max(0.0, due - now)
