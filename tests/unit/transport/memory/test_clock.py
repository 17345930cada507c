"""Time that a test moves."""

import asyncio
from datetime import UTC, timedelta

import pytest

from toolkit.transport.clock import WallClock
from toolkit.transport.memory.clock import BEGINNING, VirtualClock

SECOND = timedelta(seconds=1)


def test_time_stands_still_until_it_is_moved() -> None:
    """And ends exactly where it was moved to."""
    clock = VirtualClock()
    assert clock.now() == BEGINNING
    clock.jump(timedelta(seconds=1, microseconds=1))
    assert clock.now() - BEGINNING == timedelta(seconds=1, microseconds=1)


def test_deadlines_come_in_their_order_at_their_moment() -> None:
    """Those of one moment in the order in which they were set."""
    clock = VirtualClock()
    seen: list[tuple[str, timedelta]] = []

    def note(name: str) -> None:
        seen.append((name, clock.now() - BEGINNING))

    for name, seconds in (("c", 2), ("a", 1), ("b", 1), ("late", 4)):
        clock.call_later(seconds * SECOND, lambda name=name: note(name))  # type: ignore[misc]
    clock.jump(3 * SECOND)
    assert seen == [("a", SECOND), ("b", SECOND), ("c", 2 * SECOND)]
    assert clock.next_due == BEGINNING + 4 * SECOND


def test_a_deadline_set_on_the_way_is_met_on_the_way() -> None:
    """Also one that is due at once."""
    clock = VirtualClock()
    seen: list[timedelta] = []

    def again() -> None:
        seen.append(clock.now() - BEGINNING)
        if len(seen) < 3:
            clock.call_later(SECOND if len(seen) == 1 else timedelta(0), again)

    clock.call_later(SECOND, again)
    clock.jump(5 * SECOND)
    assert seen == [SECOND, 2 * SECOND, 2 * SECOND]


def test_a_cancelled_deadline_is_forgotten() -> None:
    """Twice is once."""
    clock = VirtualClock()
    timer = clock.call_later(SECOND, lambda: pytest.fail("it was called off"))
    timer.cancel()
    timer.cancel()
    assert clock.next_due is None
    clock.jump(2 * SECOND)


async def test_the_loop_settles_between_two_deadlines() -> None:
    """What the first set off is done before the second."""
    clock = VirtualClock()
    seen: list[str] = []

    async def work() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        seen.append("done")

    tasks: list[asyncio.Task[None]] = []
    clock.call_later(SECOND, lambda: tasks.append(asyncio.create_task(work())))
    clock.call_later(2 * SECOND, lambda: seen.append("second"))
    await clock.advance(3 * SECOND)
    assert seen == ["done", "second"]


async def test_settling_can_be_somebody_elses_affair() -> None:
    """Once before anything, and once for each moment at which something was due."""
    settled: list[timedelta] = []

    async def settle() -> None:
        settled.append(clock.now() - BEGINNING)

    clock = VirtualClock(settle=settle)
    clock.call_later(SECOND, lambda: None)
    await clock.advance(2 * SECOND)
    assert settled == [timedelta(0), SECOND]


async def test_the_wall_clock_keeps_no_loop_alive() -> None:
    """It hands its deadlines to the loop that runs."""
    clock = WallClock()
    assert clock.now().tzinfo is UTC
    called = asyncio.Event()
    timer = clock.call_later(timedelta(0), called.set)
    await asyncio.wait_for(called.wait(), timeout=5)
    timer.cancel()
