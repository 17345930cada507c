"""Signals to a process that has messages running and waiting."""

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from tests.hostile.process import Process
from tests.hostile.proxy import Proxy
from tests.hostile.waiting import answer, eventually
from tests.hostile.wire import Raw, Wire

JOBS = 20
QUEUE = "shop.do"


def post(wire: Wire, *, seconds: float) -> None:
    """Twenty jobs that take this long."""
    for number in range(JOBS):
        body = b'{"number": %d, "seconds": %f}' % (number, seconds)
        wire.publish("events", b"jobs.posted", {}, body)


async def left(wire: Wire, count: int) -> list[Raw]:
    """That many messages from the queue, where there are no more."""
    messages = [await answer(lambda: wire.get(QUEUE)) for _ in range(count)]
    assert wire.get(QUEUE) is None
    return messages


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
async def test_what_runs_is_finished_and_what_waits_goes_back(
    tmp_path: Path, amqp_url: str, wire: Wire, number: Signals
) -> None:
    """Two are finished and acknowledged once, eighteen are in the queue again; exit code 0."""
    async with Process.running(tmp_path, "worker:service", amqp_url) as process:
        await process.started()
        post(wire, seconds=0.5)
        await eventually(lambda: len(process.numbers("begun")) == 2)
        process.signal(number)
        assert await process.ended() == 0
        assert process.numbers("done") == process.numbers("begun")
        await left(wire, JOBS - 2)
    assert wire.get("shop.do.dead") is None


async def test_what_outlasts_the_grace_period_is_cancelled_and_goes_back(
    tmp_path: Path, amqp_url: str, wire: Wire
) -> None:
    """Nothing is lost: all twenty are in the queue again."""
    async with Process.running(
        tmp_path, "worker:service", amqp_url, shutdown_grace="300ms"
    ) as process:
        await process.started()
        post(wire, seconds=60)
        await eventually(lambda: len(process.numbers("begun")) == 2)
        process.signal(SIGTERM)
        assert await process.ended(within=10) == 0
        assert sorted(process.numbers("cancelled")) == sorted(process.numbers("begun"))
        await left(wire, JOBS)


@pytest.mark.parametrize("second", [SIGTERM, SIGINT])
@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_a_second_signal_stops_at_once(
    tmp_path: Path, amqp_url: str, wire: Wire, second: Signals, arguments: tuple[str, ...]
) -> None:
    """With 128 and its number as the exit code; the broker takes everything back."""
    async with Process.running(tmp_path, "worker:service", amqp_url, *arguments) as process:
        await process.started(2 if arguments else 1)
        post(wire, seconds=60)
        await eventually(lambda: process.numbers("begun"))
        process.signal(SIGTERM)
        await eventually(lambda: "draining" in process.output)
        process.signal(second)
        assert await process.ended(within=10) == 128 + second
        await left(wire, JOBS)


async def test_two_workers_are_told_and_finish(tmp_path: Path, amqp_url: str, wire: Wire) -> None:
    """Each finishes its two; sixteen are left; exit code 0."""
    async with Process.running(tmp_path, "worker:service", amqp_url, "--workers", "2") as process:
        await process.started(2)
        post(wire, seconds=0.5)
        await eventually(lambda: len(process.numbers("begun")) == 4)
        process.signal(SIGTERM)
        assert await process.ended() == 0
        assert sorted(process.numbers("done")) == sorted(process.numbers("begun"))
        await left(wire, JOBS - 4)


async def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    tmp_path: Path, amqp_url: str, wire: Wire
) -> None:
    """One of two is killed in the middle of its work; a third one finishes it."""
    async with Process.running(tmp_path, "worker:service", amqp_url, "--workers", "2") as process:
        await process.started(2)
        post(wire, seconds=0.1)
        await eventually(lambda: len(process.workers) == 2)
        os.kill(process.workers[0], SIGKILL)
        await process.started(3)
        await eventually(lambda: set(process.numbers("done")) == set(range(JOBS)))
        process.signal(SIGTERM)
        assert await process.ended() == 0
    assert wire.get("shop.do.dead") is None


async def test_workers_do_not_outlive_their_supervisor(
    tmp_path: Path, amqp_url: str, wire: Wire
) -> None:
    """Killed without a chance to pass anything on, it leaves no orphans at the queue."""
    async with Process.running(tmp_path, "worker:service", amqp_url, "--workers", "2") as process:
        await process.started(2)
        post(wire, seconds=0.2)
        await eventually(lambda: len(process.workers) == 2)
        process.signal(SIGKILL)
        assert await process.ended() == -SIGKILL
        await eventually(lambda: wire.consumers(QUEUE) == 0)


async def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    """Nobody has to wait for the deadline of a broker that isn't there."""
    async with Process.running(tmp_path, "worker:service", "amqp://127.0.0.1:1/") as process:
        await eventually(lambda: "waiting for the broker" in process.output)
        process.signal(SIGTERM)
        assert await process.ended(within=10) == 0


@pytest.mark.parametrize("trouble", [Proxy.close, Proxy.hold], ids=["disconnected", "silent"])
async def test_a_signal_while_the_broker_is_away_ends_it(
    tmp_path: Path, amqp_url: str, trouble: Callable[[Proxy], None]
) -> None:
    """An idle service is gone within seconds, whatever the broker does or doesn't answer."""
    async with (
        Proxy.before(amqp_url) as proxy,
        Process.running(tmp_path, "worker:service", proxy.url) as process,
    ):
        await process.started()
        trouble(proxy)
        process.signal(SIGTERM)
        assert await process.ended(within=15) == 0
