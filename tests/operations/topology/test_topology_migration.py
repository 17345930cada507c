"""A queue gets other arguments, and nothing is lost: at rest, under load, and over every kill.

Patience is short here; what may be seen of a broker's statistics is not ours to shorten, so a case
takes about half a minute where consumers hold messages.
"""

import asyncio
import signal
import sys
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest

from tests.operations.topology.place import ASIDE, NEW, OLD, QUEUE, Place
from tests.outsider import eventually
from tests.shop import Placed, ShopEvents
from toolkit import Context, QueueOptions, Service
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.difference import differences
from toolkit.operations.topology.live import live_of
from toolkit.operations.topology.migration import Migration, Pace

REPOSITORY = Path(__file__).parents[3]
AT_REST = Pace(quiet=timedelta(seconds=1))
"""Where nobody consumes, and nobody has, statistics have nothing to tell."""
WORKING = Pace(patience=timedelta(seconds=5))


async def test_messages_of_a_queue_that_nobody_consumes_keep_their_order(
    place: Place, broker: Broker
) -> None:
    """They wait in the new queue, as they were, but for two headers."""
    old, new = place.release(OLD), place.release(NEW)
    async with old:
        pass
    await place.publish(range(30))
    declared = broker.declared([new])
    report = await Migration(broker, declared, QUEUE, pace=AT_REST).run()
    assert (report.moved_out, report.moved_back, report.maybe_twice) == (30, 30, [])
    assert differences(declared, await live_of(broker.api)) == []
    taken = place.taken(QUEUE)
    assert [message.body for message in taken] == [b'{"number":%d}' % n for n in range(30)]
    assert {message.routing_key for message in taken} == {b"shop.placed"}
    assert {message.text("original-exchange") for message in taken} == {"events"}


@pytest.mark.parametrize("new", [NEW, QueueOptions(type="classic", ttl="2h")])
async def test_a_queue_is_migrated_under_load(
    place: Place, broker: Broker, new: QueueOptions
) -> None:
    """Classic to quorum, and another TTL: every confirmed event is handled, by the same process."""
    handled: list[tuple[float, int]] = []
    sent: list[int] = []
    enough = asyncio.Event()

    async def note(message: Placed, _: Context) -> None:
        handled.append((monotonic(), message.number))

    async def publish(till: Service) -> None:
        while not enough.is_set():
            await ShopEvents(till).placed(Placed(number=len(sent)))
            sent.append(len(sent))
            await asyncio.sleep(0.005)

    async with (
        place.release(OLD, note) as one,
        place.release(OLD, note) as other,
        place.till() as till,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(publish(till))
        declared = broker.declared([place.release(new)])
        report = await Migration(broker, declared, QUEUE, pace=WORKING).run()
        enough.set()
        await eventually(lambda: {number for _, number in handled} >= set(sent))
        assert one.missing == ()
        assert other.missing == ()
    assert report.changed
    assert differences(declared, await live_of(broker.api)) == []
    times = [at for at, _ in handled]
    gap = max(after - before for before, after in pairwise(times))
    twice = len(handled) - len(sent)
    print(f"{len(sent)} sent, {twice} handled twice, longest gap {gap:.2f}s, {report}")


async def killed_at(place: Place, point: str, number: int) -> int:
    """The exit code of a migration that kills itself at that point."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.operations.topology.killed"),
        *(place.url, place.management_url, point, str(number)),
        cwd=REPOSITORY,
    )
    return await process.wait()


@pytest.mark.parametrize(
    ("point", "number"),
    [*(("step", number) for number in range(1, 7)), ("confirm", 7), ("confirm", 47)],
)
async def test_a_migration_that_was_killed_is_gone_on_with(
    place: Place, broker: Broker, point: str, number: int
) -> None:
    """After any step, and in the middle of copying out and back, where the copies that had not
    been acked are there twice, and named.
    """
    async with place.release(OLD):
        pass
    await place.publish(range(40))
    assert await killed_at(place, point, number) == -signal.SIGKILL
    await place.publish(range(40, 50))
    declared = broker.declared([place.release(NEW)])
    report = await Migration(broker, declared, QUEUE, pace=AT_REST).run()
    assert differences(declared, await live_of(broker.api)) == []
    taken = place.taken(QUEUE)
    assert {message.body for message in taken} == {b'{"number":%d}' % n for n in range(50)}
    twice = Counter(message.properties["message_id"][1:].decode() for message in taken)
    assert {one for one, count in twice.items() if count > 1} <= set(report.maybe_twice)
    assert bool(len(taken) - 50) == (point == "confirm")
