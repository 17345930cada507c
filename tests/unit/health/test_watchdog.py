"""A loop that hangs is seen from outside, and where it hangs."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from structlog.testing import capture_logs

from tests.outsider import eventually
from toolkit.health.report import Stall
from toolkit.health.watchdog import Watchdog

LIMIT = timedelta(milliseconds=200)


def hang(watchdog: Watchdog, until: Callable[[], bool] = lambda: True) -> Stall:
    """Stands still until somebody outside has seen it, and something else has happened."""
    seen: list[Stall] = []
    gate = threading.Event()

    def look() -> None:
        while (stall := watchdog.stall) is None or not until():
            time.sleep(0.001)
        seen.append(stall)
        gate.set()

    threading.Thread(target=look).start()
    gate.wait()
    return seen[0]


async def test_a_loop_that_turns_is_well() -> None:
    """As long as nobody blocks it."""
    async with Watchdog(timedelta(hours=1)) as watchdog:
        assert watchdog.stall is None


async def test_a_stall_is_seen_while_it_lasts_with_its_place() -> None:
    """From another thread; once the loop turns again, it is over."""
    async with Watchdog(LIMIT) as watchdog:
        stall = hang(watchdog)
        while watchdog.stall is not None:
            await asyncio.sleep(0)
    assert "in Event.wait" in stall.place or "in Condition.wait" in stall.place


async def test_each_stall_is_told_once_with_the_stack_and_so_is_its_end() -> None:
    """Twice in a row: two of each."""
    with capture_logs() as logs:
        async with Watchdog(LIMIT) as watchdog:
            for times in (1, 2):
                told = 2 * times - 1
                hang(watchdog, lambda: len(logs) >= told)  # noqa: B023 - called at once
                await eventually(lambda: len(logs) > told)  # noqa: B023
    assert [entry["event"] for entry in logs] == [
        "the event loop stands still",
        "the event loop turns again",
    ] * 2
    assert ", in hang\n" in logs[0]["stack"]


async def test_nobody_watches_before_and_after() -> None:
    """A watchdog that was never entered, or has been left, sees nothing."""
    watchdog = Watchdog(LIMIT)
    assert watchdog.stall is None
    async with watchdog:
        hang(watchdog)
    assert watchdog.stall is None
