"""Time is asked of a clock; the wall's own keeps its deadlines with the event loop."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.clock import in_virtual_time, now, until_nothing_moves
from toolkit.transport.clock import WALL

MINUTE = timedelta(minutes=1)


def test_the_walls_clock_tells_the_time_in_utc() -> None:
    """Of this very moment."""
    before = datetime.now(UTC)
    assert before <= WALL.now() <= datetime.now(UTC)
    assert WALL.now().utcoffset() == timedelta(0)


@in_virtual_time
async def test_a_sleep_is_as_long_as_it_was_asked_for() -> None:
    """By that clock."""
    await WALL.sleep(MINUTE)
    assert now() == pytest.approx(60)


@in_virtual_time
async def test_a_deadline_comes_once_and_not_if_it_was_called_off() -> None:
    """Calling it off twice, or too late, does no harm."""
    heard: list[str] = []
    kept = WALL.call_later(MINUTE, lambda: heard.append("kept"))
    gone = WALL.call_later(MINUTE, lambda: heard.append("gone"))
    gone.cancel()
    gone.cancel()
    await asyncio.sleep(600)
    kept.cancel()
    assert heard == ["kept"]


@in_virtual_time
async def test_a_deadline_never_comes_before_it_was_set() -> None:
    """Not even one of no length."""
    heard: list[str] = []
    WALL.call_later(timedelta(0), lambda: heard.append("over"))
    assert heard == []
    await until_nothing_moves()
    assert heard == ["over"]


@in_virtual_time
async def test_a_stopwatch_goes_as_deadlines_come() -> None:
    """By the time of the event loop."""
    heard: list[float] = []
    seconds = WALL.stopwatch()
    began = seconds()
    WALL.call_later(MINUTE, lambda: heard.append(seconds() - began))
    await asyncio.sleep(600)
    assert heard == [pytest.approx(60)]
