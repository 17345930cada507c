"""Time: the wall's, or a test's own.

Receives delays from the engine and from brokers in memory, calls them back when they are over.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """A deadline that can be called off."""

    def cancel(self) -> None:
        """Calls it off. Idempotent, and harmless once it has passed."""
        ...


class Clock(Protocol):
    """What time it is, and who wants to know when it is later."""

    def now(self) -> datetime:
        """The moment, in UTC."""
        ...

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """Calls back once, `delay` from now, never before this has returned."""
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Returns after `delay`."""
        ...

    def stopwatch(self) -> Callable[[], float]:
        """A function that tells the seconds since some moment, for the event loop that is running.

        They go with `call_later`, never backwards, and can be asked for with every message.
        """
        ...


class WallClock:
    """The real time; deadlines are kept by the event loop that is running."""

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def call_later(self, delay: timedelta, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        return asyncio.get_running_loop().call_later(delay.total_seconds(), callback)

    async def sleep(self, delay: timedelta) -> None:
        """See `Clock`."""
        await asyncio.sleep(delay.total_seconds())

    def stopwatch(self) -> Callable[[], float]:
        """See `Clock`."""
        return asyncio.get_running_loop().time


WALL = WallClock()
