"""After each fault, everything that it needed is gone: tasks, channels, memory."""

import asyncio
import gc
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.crew import Crew
from tests.faults.fault import (
    BROKER_KILLED,
    BROKER_RESTARTED,
    CONNECTIONS_CLOSED,
    HEARTBEAT,
    LINK_CUT,
    LINK_CUT_MID_FRAME,
    LINK_FROZEN,
    LINK_SLOWED,
    MEMORY_ALARM,
    QUEUE_DELETED,
    Scene,
)
from tests.faults.ground import Ground
from tests.faults.place import SINGLE
from tests.faults.programs.contracts import Noted, Placed, Press
from tests.hostile.waiting import eventually
from toolkit import Consumer, Context, Service, Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAULTS = (
    BROKER_KILLED,
    BROKER_RESTARTED,
    CONNECTIONS_CLOSED,
    LINK_CUT,
    LINK_CUT_MID_FRAME,
    LINK_FROZEN,
    LINK_SLOWED,
    MEMORY_ALARM,
    QUEUE_DELETED,
)
TIMES = 3
NOISE = 350  # objects: timers that have not run out, and one lost channel that was seldom used.
# A channel that is kept each time has 139, a connection 250.
SETTLED_WITHIN = 30.0
SETTLED = 2.0  # seconds until a new queue survives a kill, see `fault`


class There(NamedTuple):
    """What there is of each; the objects are those that the garbage collector knows."""

    tasks: int
    channels: int
    objects: int


class Take(Consumer[Placed]):
    async def handle(self, message: Placed, context: Context) -> None:
        pass


class Note(Consumer[Noted]):
    async def handle(self, message: Noted, context: Context) -> None:
        pass


@asynccontextmanager
async def under_fire(ground: Ground) -> AsyncIterator[Service]:
    settings = Settings(amqp_url=ground.url, heartbeat=f"{HEARTBEAT:g}s")
    service = Service("taker", consumers=[Take(), Note()], producers=[Press], settings=settings)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Pytest keeps every record of a test, with all that it mentions."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("ground", list(SINGLE)[:1], indirect=True)
@pytest.mark.usefixtures("unlogged")
async def test_nothing_is_left_of_it(ground: Ground, tmp_path: Path) -> None:
    """Each fault three times; caches are warm before, because each has happened once already."""
    async with Crew.hired(tmp_path, ground.url) as nobody, under_fire(ground) as service:
        scene = Scene(ground, nobody, random.Random(1))
        press = Press(service)

        async def recovered() -> None:
            await eventually(lambda: not service.missing, within=SETTLED_WITHIN)
            await press.placed(Placed(number="1"))
            await press.noted(Noted(number="1"))

        await asyncio.sleep(SETTLED)
        for fault in FAULTS:
            await fault.inject(scene)
            await recovered()
        await asyncio.sleep(SETTLED)
        for fault in FAULTS:
            before = await what_is_there(ground)
            for _ in range(TIMES):
                await fault.inject(scene)
                await recovered()
            after = await what_is_there(ground)
            # What the broker, or a timer, has not noticed yet is noticed soon.
            deadline = time.monotonic() + SETTLED_WITHIN
            while has_grown(before, after) and time.monotonic() < deadline:
                after = await what_is_there(ground)
            assert not has_grown(before, after), f"{fault.name}: {before} before, {after} after"


def has_grown(before: There, after: There) -> bool:
    """One channel for looking into queues comes and goes, with two tasks."""
    return (
        after.channels >= before.channels + TIMES
        or after.tasks >= before.tasks + 2 * TIMES
        or after.objects >= before.objects + NOISE
    )


async def what_is_there(ground: Ground) -> There:
    await asyncio.sleep(1)
    channels = await ground.channels()
    gc.collect()
    return There(len(asyncio.all_tasks()), channels, len(gc.get_objects()))
