"""Messages that kill the process that handles them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.hostile.fields import long, properties
from tests.hostile.process import Process
from tests.hostile.shop import DEAD, GOOD, NAME, OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import answer, eventually
from tests.hostile.wire import Wire

INNOCENTS = 500
DEADLINE = 60


@asynccontextmanager
async def restarted_for_ever(directory: Path, url: str, **settings: str) -> AsyncIterator[Process]:
    """A process that is started again as often as it dies, as an orchestrator would."""
    async with Process.running(directory, "worker:service", url, **settings) as first:
        await first.started()
        keeping = asyncio.create_task(_keep(first, directory, url, settings))
        try:
            yield first
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})


async def _keep(first: Process, directory: Path, url: str, settings: dict[str, str]) -> None:
    await first.ended(within=DEADLINE)
    while True:
        async with Process.running(directory, "worker:service", url, **settings) as another:
            await another.ended(within=DEADLINE)


@pytest.mark.parametrize(
    ("guilty", "budget"),
    [({20: b"exit"}, "3"), ({5: b"kill", 30: b"exit"}, "1")],
    ids=["one", "two"],
)
async def test_only_the_guilty_are_dead_lettered(
    tmp_path: Path, amqp_url: str, wire: Wire, guilty: dict[int, bytes], budget: str
) -> None:
    """The prefetch is 32, so that each crash charges innocents; all of them are handled, also
    with a stranger's message in the queue where suspects wait to run alone.
    """
    async with restarted_for_ever(tmp_path, amqp_url, crash_budget=budget) as process:
        wire.publish("", b"shop.suspects", {}, b"who, me?")
        for number in range(INNOCENTS + len(guilty)):
            deed = guilty.get(number, b"work")
            body = b'{"number": %d, "deed": "%s", "seconds": 0.01}' % (number, deed)
            wire.publish("events", b"jobs.posted", {}, body)
        dead = [await answer(lambda: wire.get("shop.do.dead"), within=DEADLINE) for _ in guilty]
        innocents = set(range(INNOCENTS + len(guilty))) - guilty.keys()
        await eventually(lambda: set(process.numbers("done")) == innocents, within=DEADLINE)
    assert {letter.text("dead-reason") for letter in dead} == {"crashed"}
    assert {deed for letter in dead for deed in guilty.values() if deed in letter.body}
    assert all(b'"work"' not in letter.body for letter in dead)
    assert wire.get("shop.do.dead") is None


class Other(Take):
    """Another consumer of the same service, in a process of its own."""


async def test_a_suspect_is_not_charged_by_processes_that_do_not_know_it(
    amqp_url: str, wire: Wire
) -> None:
    """Another part of the same service has looked at it three times; it still gets its chance."""
    take, other = Take(), Other()
    async with shop_service(amqp_url, take):
        pass  # its queue and the suspects' are there
    mark = properties(headers={b"failed-queue": long(b"shop.take")}, type=NAME, message_id=b"1")
    wire.publish("", b"shop.suspects", mark, GOOD)
    for number in range(3):
        async with shop_service(amqp_url, other, producers=[Orders]) as service:
            await Orders(service).placed(OrderPlaced(number=number))
            await eventually(lambda: number in other.handled)  # noqa: B023
    async with shop_service(amqp_url, take):
        await eventually(lambda: 1 in take.handled and len(take.handled) == 4)
    assert wire.get(DEAD) is None
