"""A queue gets other arguments, and nothing is lost: at rest, under load, and over every kill.

Patience is short here; what may be seen of a broker's statistics is not ours to shorten, so a case
takes about half a minute where consumers hold messages.
"""

import asyncio
import itertools
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from tests.conformance.tally import Record
from tests.hostile.wire import Wire
from tests.operations.topology.place import ASIDE, NEW, OLD, QUEUE, Place
from tests.outsider import eventually
from tests.shop import Placed, ShopEvents
from toolkit import Context, QueueOptions, RefusedError, Service
from toolkit.operations.audit import unrecorded
from toolkit.operations.topology.application import apply, to_make
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.difference import differences
from toolkit.operations.topology.live import live_of
from toolkit.operations.topology.migration import Migration, Pace
from toolkit.topology.live import Bound

PUBLISHERS = 4
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


async def test_what_waits_in_a_rung_comes_back_while_it_is_migrated(
    place: Place, broker: Broker
) -> None:
    """Nobody consumes a rung: its copy waits once more, as long as the rung says."""
    rung = "shop.delay.1s"
    place.virtual_host.add_queue(
        rung, x_queue_type="classic", x_message_ttl=1000, x_dead_letter_exchange="shop.return"
    )
    declared = broker.declared([place.release(OLD)])
    await apply(
        broker,
        to_make(differences(declared, await live_of(broker.api))),
        say=lambda _: None,
        record=unrecorded,
    )
    with Wire.connected(place.url) as wire:
        for number in range(20):
            wire.publish(rung, QUEUE.encode(), {}, b"%d" % number)
    report = await Migration(broker, declared, rung, pace=AT_REST).run()
    assert "queue 'shop.delay.1s': x-queue-type should be 'quorum'" in " ".join(report.changed)
    assert differences(declared, await live_of(broker.api)) == []
    await eventually(lambda: place.virtual_host.messages(QUEUE) == 20)
    assert place.virtual_host.messages("shop.parked") == 0


async def test_bindings_that_were_switched_by_half_are_switched(
    place: Place, broker: Broker
) -> None:
    """By the connection's loss, say: each is at one of both queues, a stranger's too."""
    async with place.release(OLD):
        pass
    declared = broker.declared([place.release(NEW)])
    place.virtual_host.bind(QUEUE, "strangers.wish")
    wanted = next(one for one in declared.topology.queues if one.name == QUEUE)
    await broker.amqp.declare_queue(ASIDE, wanted.arguments(declared.version))
    await broker.amqp.switch([Bound("events", "strangers.wish")], to=ASIDE, away_from=QUEUE)
    await place.publish(range(3))
    with Wire.connected(place.url) as wire:
        wire.publish("events", b"strangers.wish", {}, b"kept aside")
    await Migration(broker, declared, QUEUE, pace=AT_REST).run()
    with Wire.connected(place.url) as wire:
        wire.publish("events", b"strangers.wish", {}, b"bound again")
    bodies = [message.body for message in place.taken(QUEUE)]
    assert sorted(bodies) == [
        b"bound again",
        b"kept aside",
        *(b'{"number":%d}' % number for number in range(3)),
    ]


class Load:
    """A shop of the old release in two instances, and somebody who orders all the time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._enough = asyncio.Event()
        self.handled: list[tuple[float, int]] = []
        self.sent: list[int] = []
        self.refused = 0
        self._numbers = itertools.count()
        self.missing: tuple[str, ...] = ()

    async def _handle(self, message: Placed, context: Context) -> None:
        if message.number % 500 == 0 and context.attempt == 1:
            raise ValueError("come back by the ladder")
        self.handled.append((monotonic(), message.number))

    async def _publish(self, till: Service) -> None:
        """As fast as the broker confirms: what is lost in a moment's gap is to be seen."""
        while not self._enough.is_set():
            number = next(self._numbers)
            try:
                await ShopEvents(till).placed(Placed(number=number))
            except RefusedError:  # a quorum queue that was just made may not have a leader yet
                self.refused += 1
            else:
                self.sent.append(number)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end everything that was confirmed has been handled, or this fails."""
        async with (
            self._place.release(OLD, self._handle) as one,
            self._place.release(OLD, self._handle) as other,
            self._place.till() as till,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(PUBLISHERS):
                group.create_task(self._publish(till))
            await eventually(lambda: len(self.handled) > 50)
            yield
            self._enough.set()
            await eventually(
                lambda: {number for _, number in self.handled} >= set(self.sent), within=30
            )
            self.missing = one.missing + other.missing

    @property
    def summary(self) -> str:
        """For whoever reads along."""
        gap = max(after - before for (before, _), (after, _) in itertools.pairwise(self.handled))
        twice = len(self.handled) - len(self.sent)
        return (
            f"{len(self.sent)} sent, {self.refused} refused, {twice} handled twice, "
            f"longest gap {gap:.2f}s"
        )


@pytest.mark.slow
@pytest.mark.parametrize("new", [NEW, QueueOptions(type="classic", ttl="2h")])
async def test_a_queue_is_migrated_under_load(
    place: Place, broker: Broker, new: QueueOptions, record_property: Record
) -> None:
    """Classic to quorum, and another TTL: every confirmed event is handled, by services that are
    never stopped; what waits for its next try is not parked.
    """
    load = Load(place)
    async with load.running():
        declared = broker.declared([place.release(new)])
        report = await Migration(broker, declared, QUEUE, pace=WORKING).run()
    record_property("load", load.summary)
    assert report.changed
    assert load.missing == ()
    assert differences(declared, await live_of(broker.api)) == []
    assert place.virtual_host.messages("shop.parked") == 0
    assert place.virtual_host.messages("shop.handle.dead") == 0


@pytest.mark.slow
async def test_a_migration_that_was_killed_under_load_is_gone_on_with(
    place: Place, broker: Broker, record_property: Record
) -> None:
    """Once while what comes is kept aside, once while that is copied back."""
    load = Load(place)
    async with load.running():
        assert await killed_at(place, "step", 2, quiet=12) == -signal.SIGKILL
        assert await killed_at(place, "confirm", 300, quiet=12) == -signal.SIGKILL
        declared = broker.declared([place.release(NEW)])
        report = await Migration(broker, declared, QUEUE, pace=WORKING).run()
    record_property("load", f"{load.summary}, {report.moved_back} copied back, killed twice")
    assert load.missing == ()
    assert differences(declared, await live_of(broker.api)) == []


async def killed_at(place: Place, point: str, number: int, *, quiet: float = 1) -> int:
    """The exit code of a migration that kills itself at that point."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.operations.topology.killed"),
        *(place.url, place.management_url, point, str(number), str(quiet)),
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
