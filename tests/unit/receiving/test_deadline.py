"""A run may take so long and no longer, however many others there are."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.clock import in_virtual_time, now, until_nothing_moves
from toolkit.receiving.deadline import Deadlines
from toolkit.transport.clock import WALL
from toolkit.transport.memory.clock import VirtualClock

MINUTE = timedelta(minutes=1)


class Late(Exception):
    """The run was cancelled because its time was over."""


async def run(deadlines: Deadlines, handle: Callable[[], Awaitable[None]]) -> None:
    """As the pipeline does."""
    begun = deadlines.begin()
    try:
        await handle()
    except BaseException as error:
        if deadlines.end(begun) and isinstance(error, asyncio.CancelledError):
            raise Late from error
        raise
    deadlines.end(begun)


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def dawdle() -> None:
    await asyncio.sleep(3_600)


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 120_000)), min_size=1, max_size=20)
)
def test_each_run_has_its_own_full_time(runs: list[tuple[int, int]]) -> None:
    """Whenever it began, and whatever the others do; times are in milliseconds."""

    async def one(begin: int, length: int) -> None:
        await asyncio.sleep(begin / 1000)
        began, is_late = now(), False
        try:
            await run(deadlines, lambda: asyncio.sleep(length / 1000))
        except Late:
            is_late = True
        assert now() - began == pytest.approx(min(length / 1000, 60))
        assert is_late == (length > 60_000)

    @in_virtual_time
    async def scenario() -> None:
        await asyncio.gather(*(one(begin, length) for begin, length in runs if length != 60_000))

    deadlines = Deadlines(MINUTE, WALL)
    scenario()


@in_virtual_time
async def test_by_a_clock_of_a_test_it_comes_at_the_very_moment() -> None:
    """Also for the second of two, which no timer was set for when it began."""
    clock = VirtualClock()
    deadlines = Deadlines(MINUTE, clock)
    first = asyncio.create_task(run(deadlines, dawdle))
    await clock.advance(timedelta(microseconds=1))
    second = asyncio.create_task(run(deadlines, dawdle))
    await clock.advance(MINUTE - timedelta(microseconds=2))
    assert not first.done()
    await clock.advance(timedelta(microseconds=1))
    assert (first.done(), second.done()) == (True, False)
    await clock.advance(timedelta(microseconds=1))
    for task in (first, second):
        with pytest.raises(Late):
            await task


@in_virtual_time
async def test_a_run_that_swallows_its_cancellation_has_ended_well() -> None:
    """And its worker is as good as new."""

    async def swallow() -> None:
        try:
            await dawdle()
        except asyncio.CancelledError:
            await asyncio.sleep(5)

    await run(Deadlines(MINUTE, WALL), swallow)
    assert now() == pytest.approx(65)
    assert cancellations() == 0


@in_virtual_time
async def test_an_error_that_a_cancelled_run_makes_of_it_is_its_own() -> None:
    """Its worker is as good as new all the same."""

    async def fail() -> None:
        try:
            await dawdle()
        except asyncio.CancelledError:
            raise LookupError from None

    with pytest.raises(LookupError):
        await run(Deadlines(MINUTE, WALL), fail)
    assert cancellations() == 0


@in_virtual_time
async def test_who_is_cancelled_from_outside_at_the_same_moment_stays_cancelled() -> None:
    """Whichever of the two comes first."""
    for order in (1, -1):
        deadlines = Deadlines(MINUTE, WALL)
        worker = asyncio.create_task(run(deadlines, dawdle))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(60 - order * 1e-9, worker.cancel)
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert worker.cancelling() == 1


@in_virtual_time
async def test_one_that_was_cancelled_before_it_began_can_be_late() -> None:
    """A worker whose last run ended with a stray cancellation tries again in place."""

    async def worker() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        with pytest.raises(Late):
            await run(Deadlines(MINUTE, WALL), dawdle)
        assert cancellations() == 1
        task.uncancel()

    await asyncio.create_task(worker())


@pytest.mark.parametrize("own", [30, 60, 90])
def test_a_timeout_inside_a_run_is_told_from_the_limit(own: int) -> None:
    """The shorter one counts; at the same moment, the limit."""

    async def nested() -> None:
        async with asyncio.timeout(own):
            await dawdle()

    @in_virtual_time
    async def scenario() -> None:
        with pytest.raises(TimeoutError if own < 60 else Late):
            await run(Deadlines(MINUTE, WALL), nested)
        assert now() == pytest.approx(min(own, 60))
        assert cancellations() == 0

    scenario()


@in_virtual_time
async def test_one_timer_serves_all_runs_and_none_outlives_the_end() -> None:
    """A consumer whose runs are short sets a timer once for each limit, not for each run."""
    clock = VirtualClock()
    deadlines = Deadlines(MINUTE, clock)
    for _ in range(1_000):
        await run(deadlines, lambda: asyncio.sleep(0))
    due = clock.next_due
    assert due == clock.now() + MINUTE
    await clock.advance(MINUTE)
    assert clock.next_due is None
    await run(deadlines, lambda: asyncio.sleep(0))
    deadlines.close()
    await until_nothing_moves()
    assert clock.next_due is None
