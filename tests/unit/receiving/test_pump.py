"""Workers: N means N, what has not begun can be given back, and no fault costs a slot."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.clock import in_virtual_time, until_nothing_moves
from tests.unit.deliveries import InMemoryDelivery, delivery
from toolkit.receiving.pump import Pump
from toolkit.transport.port import Delivery


class Bench:
    """Handles deliveries for as long as it is told to, and counts how many at a time."""

    def __init__(self, *, turns: Callable[[int], int] = lambda _: 0) -> None:
        self.begun: list[Delivery] = []
        self.at_once = 0
        self.most_at_once = 0
        self._turns = turns
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def receive(self, incoming: Delivery) -> None:
        number = len(self.begun)
        self.begun.append(incoming)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._open.wait()
            for _ in range(self._turns(number)):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            incoming.give_back()
            raise
        finally:
            self.at_once -= 1
        incoming.ack()


@asynccontextmanager
async def pumping(
    receive: Callable[[Delivery], Awaitable[None]], *, concurrency: int
) -> AsyncIterator[Pump]:
    pump = Pump("shop.ship", receive, concurrency=concurrency)
    pump.start()
    try:
        yield pump
    finally:
        await pump.stop()


def deliveries(count: int) -> list[InMemoryDelivery]:
    return [delivery(message_id=f"m-{number}") for number in range(count)]


def marks(incoming: list[InMemoryDelivery]) -> list[str | None]:
    return [one.mark for one in incoming]


# ---------------------------------------------------------------------------------- N means N


@given(
    st.integers(1, 8),
    st.integers(0, 30),
    st.lists(st.integers(0, 4), min_size=30, max_size=30),
)
def test_n_are_handled_at_once_and_never_more(count: int, messages: int, turns: list[int]) -> None:
    """However long each one takes; all of them in the end, begun in their order."""

    @in_virtual_time
    async def scenario() -> None:
        bench.close()
        async with pumping(bench.receive, concurrency=count) as pump:
            for one in incoming:
                pump.deliver(one)
            await until_nothing_moves()
            assert pump.running == bench.at_once == min(count, messages)
            bench.open()
            await until_nothing_moves()

    bench, incoming = Bench(turns=turns.__getitem__), deliveries(messages)
    scenario()
    assert bench.begun == incoming
    assert bench.most_at_once == min(count, messages)
    assert marks(incoming) == ["acked"] * messages


@in_virtual_time
async def test_handlers_that_outlive_their_connection_keep_their_slot() -> None:
    """The same messages come again on the next one; still no more than N run."""
    bench = Bench()
    bench.close()
    async with pumping(bench.receive, concurrency=2) as pump:
        lost, again = deliveries(2), deliveries(2)
        for one in lost:
            pump.deliver(one)
        await until_nothing_moves()
        for one in lost:
            one.is_live = False
        for one in again:
            pump.deliver(one)
        await until_nothing_moves()
        assert bench.begun == lost
        bench.open()
        await until_nothing_moves()
        assert bench.begun == lost + again
        assert bench.most_at_once == 2


@in_virtual_time
async def test_a_delivery_whose_channel_is_gone_is_not_begun() -> None:
    """The broker delivers it again, so handling it now would be for the second time."""
    bench = Bench()
    async with pumping(bench.receive, concurrency=1) as pump:
        gone, live = deliveries(2)
        gone.is_live = False
        pump.deliver(gone)
        pump.deliver(live)
        await until_nothing_moves()
    assert bench.begun == [live]
    assert gone.mark is None


# ---------------------------------------------------------------------------------- faults


@in_virtual_time
async def test_a_fault_of_the_engine_costs_neither_the_message_nor_the_slot() -> None:
    """The message goes back, after a pause, and the worker goes on."""

    async def receive(one: Delivery) -> None:
        if one is bad:
            raise KeyError("engine")
        await bench.receive(one)

    bench = Bench()
    bad, good = deliveries(2)
    async with pumping(receive, concurrency=1) as pump:
        pump.deliver(bad)
        pump.deliver(good)
        await until_nothing_moves()
        assert not bad.is_settled
        await asyncio.sleep(60)
        assert pump.running == 0
    assert (bad.mark, good.mark) == ("rejected", "acked")


async def leak(one: Delivery) -> None:
    raise asyncio.CancelledError


async def cancel_itself(one: Delivery) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def cancel_itself_and_wait(one: Delivery) -> None:
    await cancel_itself(one)
    await asyncio.sleep(3_600)


@pytest.mark.parametrize("misbehave", [leak, cancel_itself, cancel_itself_and_wait])
def test_a_cancellation_that_nobody_asked_for_costs_no_slot(
    misbehave: Callable[[Delivery], Awaitable[None]],
) -> None:
    """However often it happens, N workers are there for what comes next."""

    @in_virtual_time
    async def scenario() -> None:
        async def receive(one: Delivery) -> None:
            await (bench.receive if one in good else misbehave)(one)

        async with pumping(receive, concurrency=2) as pump:
            for one in (*deliveries(5), *good):
                pump.deliver(one)
            bench.close()
            await until_nothing_moves()
            assert bench.at_once == 2
            bench.open()
            await until_nothing_moves()

    bench, good = Bench(), deliveries(4)
    scenario()
    assert marks(good) == ["acked"] * 4


@in_virtual_time
async def test_a_message_that_was_settled_before_a_fault_is_left_alone() -> None:
    """A second mark would be an error of its own."""

    async def receive(one: Delivery) -> None:
        one.ack()
        raise KeyError("too late")

    async with pumping(receive, concurrency=1) as pump:
        (one,) = deliveries(1)
        pump.deliver(one)
        await asyncio.sleep(60)
    assert one.mark == "acked"


# ---------------------------------------------------------------------------------- shutdown


@in_virtual_time
async def test_what_has_not_begun_is_given_back_and_what_has_goes_on() -> None:
    """The first half of an ordered shutdown."""
    bench, incoming = Bench(), deliveries(5)
    bench.close()
    async with pumping(bench.receive, concurrency=2) as pump:
        for one in incoming:
            pump.deliver(one)
        await until_nothing_moves()
        assert pump.return_waiting() == 3
        assert marks(incoming) == [None, None, *["given back"] * 3]
        bench.open()
        await pump.quiet()
    assert marks(incoming) == [*["acked"] * 2, *["given back"] * 3]


@in_virtual_time
async def test_what_comes_while_draining_is_left_to_the_channel() -> None:
    """The broker may have sent it before it heard of the end. Given back at once it would come
    again, and again; when the channel closes it goes back just once.
    """
    bench = Bench()
    async with pumping(bench.receive, concurrency=2) as pump:
        assert pump.return_waiting() == 0
        (late,) = deliveries(1)
        pump.deliver(late)
        await until_nothing_moves()
        assert late.mark is None
    assert bench.begun == []


@in_virtual_time
async def test_stopping_cancels_what_still_runs() -> None:
    """The second half, when the grace period is over; nothing is left unsettled or running."""
    bench, incoming = Bench(), deliveries(4)
    bench.close()
    async with pumping(bench.receive, concurrency=2) as pump:
        for one in incoming:
            pump.deliver(one)
        await until_nothing_moves()
        await pump.stop()
        await until_nothing_moves()
        assert (pump.running, bench.at_once) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert marks(incoming) == ["given back"] * 4


@in_virtual_time
async def test_a_pump_can_be_started_again() -> None:
    """A service may run twice in one process."""
    pump = Pump("shop.ship", Bench().receive, concurrency=2)
    for _ in range(2):
        pump.start()
        assert len(asyncio.all_tasks()) == 3
        await pump.stop()


async def test_a_pump_that_never_ran_stops() -> None:
    """A start that failed half-way is cleaned up in the same way."""
    await Pump("shop.ship", Bench().receive, concurrency=3).stop()


# ---------------------------------------------------------------------------------- standing still


@in_virtual_time
async def test_a_pump_that_is_paused_begins_nothing_and_is_quiet_once_the_last_is_done() -> None:
    """So that a suspect can run alone."""
    bench, incoming = Bench(), deliveries(4)
    bench.close()
    async with pumping(bench.receive, concurrency=2) as pump:
        for one in incoming:
            pump.deliver(one)
        await until_nothing_moves()
        pump.pause()
        quiet = asyncio.create_task(pump.quiet())
        await until_nothing_moves()
        assert not quiet.done()
        bench.open()
        await quiet
        await until_nothing_moves()
        assert marks(incoming) == ["acked", "acked", None, None]
        pump.resume()
        await until_nothing_moves()
    assert marks(incoming) == ["acked"] * 4


@in_virtual_time
async def test_a_pump_is_not_quiet_before_the_last_one_is_done() -> None:
    """However much earlier the others were."""
    bench = Bench(turns=lambda number: 50 * number)
    async with pumping(bench.receive, concurrency=3) as pump:
        for one in (incoming := deliveries(3)):
            pump.deliver(one)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        pump.pause()
        await pump.quiet()
        assert marks(incoming) == ["acked"] * 3


async def test_an_idle_pump_is_quiet() -> None:
    """At once."""
    async with pumping(Bench().receive, concurrency=2) as pump:
        async with asyncio.timeout(1):
            await pump.quiet()


@in_virtual_time
async def test_what_comes_to_nothing_here_is_told() -> None:
    """What is given back, and what has lost its channel before it was begun."""
    survived: list[Delivery] = []
    pump = Pump("shop", Bench().receive, concurrency=1, survive=survived.append)
    waiting, dead = delivery(), delivery()
    dead.is_live = False
    pump.pause()
    pump.deliver(waiting)
    assert pump.return_waiting() == 1
    pump.take_again()
    pump.deliver(dead)
    pump.resume()
    pump.start()
    await until_nothing_moves()
    assert survived == [waiting, dead]
    await pump.stop()


# ---------------------------------------------------------------------------------- fairness


@in_virtual_time
async def test_handlers_that_wait_for_nothing_leave_the_loop_its_turns() -> None:
    """Even where each ack brings the next message at once, and there is no end to them."""
    begun, turns = 0, 0

    async def receive(one: Delivery) -> None:
        nonlocal begun
        begun += 1
        pump.deliver(delivery())

    pump = Pump("shop", receive, concurrency=8)
    pump.start()
    for _ in range(8):
        pump.deliver(delivery())
    while begun < 10_000:
        before = begun
        await asyncio.sleep(0)
        turns += 1
        assert begun - before <= 256
    pump.return_waiting()
    await pump.stop()


@in_virtual_time
async def test_all_workers_are_at_work_within_a_few_turns() -> None:
    """Each one that is woken wakes others, whose handlers wait as well."""
    bench = Bench()
    bench.close()
    async with pumping(bench.receive, concurrency=100) as pump:
        await until_nothing_moves()
        for one in deliveries(100):
            pump.deliver(one)
        for _ in range(10):
            await asyncio.sleep(0)
        assert pump.running == 100


@in_virtual_time
async def test_a_burst_that_one_worker_can_see_to_wakes_few_others() -> None:
    """Where handlers wait for nothing, a worker that is woken for each message is woken in vain."""

    async def receive(one: Delivery) -> None:
        one.ack()

    async with pumping(receive, concurrency=100) as pump:
        await until_nothing_moves()
        for one in (incoming := deliveries(200)):
            pump.deliver(one)
        assert len(pump._idle) == 99
        await until_nothing_moves()
    assert marks(incoming) == ["acked"] * 200


@in_virtual_time
async def test_an_idle_worker_holds_no_message() -> None:
    """Nor the connection that it came by."""
    async with pumping(Bench().receive, concurrency=1) as pump:
        incoming = delivery()
        pump.deliver(incoming)
        await until_nothing_moves()
        referrers = [type(one).__name__ for one in gc.get_referrers(incoming)]
    assert "coroutine" not in referrers
    assert "frame" not in referrers


@in_virtual_time
async def test_an_idle_worker_that_is_cancelled_is_not_called() -> None:
    """The message goes to one that is there."""
    bench = Bench()
    async with pumping(bench.receive, concurrency=2) as pump:
        await until_nothing_moves()
        (worker,) = (task for task in asyncio.all_tasks() if task.get_name() == "shop.ship 1")
        worker.cancel()
        await until_nothing_moves()
        for one in (incoming := deliveries(3)):
            pump.deliver(one)
        await until_nothing_moves()
    assert marks(incoming) == ["acked"] * 3


@in_virtual_time
async def test_a_worker_that_is_cancelled_before_a_fault_is_over_is_replaced() -> None:
    """It may be a handler's task of long ago that does so."""

    async def receive(one: Delivery) -> None:
        if one is bad:
            raise KeyError("engine")
        await bench.receive(one)

    bench, (bad, good) = Bench(), deliveries(2)
    async with pumping(receive, concurrency=1) as pump:
        pump.deliver(bad)
        await until_nothing_moves()
        (worker,) = (task for task in asyncio.all_tasks() if task.get_name() == "shop.ship 0")
        worker.cancel()
        await until_nothing_moves()
        pump.deliver(good)
        await until_nothing_moves()
    assert (bad.mark, good.mark) == (None, "acked")
