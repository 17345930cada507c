"""Many limits, one timer: each future ends in time, and no other with it."""

import asyncio
from datetime import timedelta

import pytest

from toolkit.transport.rabbitmq.deadline import Deadlines

SHORT = timedelta(milliseconds=50)


def futures(count: int) -> "list[asyncio.Future[None]]":
    loop = asyncio.get_running_loop()
    return [loop.create_future() for _ in range(count)]


async def test_what_is_late_ends() -> None:
    """Each after its own time, not with the first."""
    deadlines = Deadlines(SHORT)
    first, second = futures(2)
    deadlines.add(first)
    await asyncio.sleep(SHORT.total_seconds() / 2)
    deadlines.add(second)
    with pytest.raises(TimeoutError):
        await first
    assert not second.done()
    with pytest.raises(TimeoutError):
        await second
    assert deadlines.is_idle


async def test_what_is_done_or_discarded_is_left_alone() -> None:
    """A result stays; what is of no interest is not even kept."""
    deadlines = Deadlines(SHORT)
    done, discarded, late = futures(3)
    for future in (done, discarded, late):
        deadlines.add(future)
    done.set_result(None)
    deadlines.discard(discarded)
    with pytest.raises(TimeoutError):
        await late
    assert done.result() is None
    assert not discarded.done()


async def test_discarding_leaves_nothing_behind() -> None:
    """A million publishes go by, each for a millisecond."""
    deadlines = Deadlines(timedelta(hours=1))
    for future in futures(1_000):
        deadlines.add(future)
        deadlines.discard(future)
    assert deadlines.is_idle
