"""Suspects run alone, while everything else in the process stands still, or are given up."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.clock import in_virtual_time, now, until_nothing_moves
from tests.unit.deliveries import InMemoryDelivery, delivery
from tests.unit.orders import OrderPlaced
from tests.unit.postbox import Postbox
from tests.unit.receiving.engines import Ship, engine
from toolkit import Consumer, Context
from toolkit.errors import ConnectionLostError
from toolkit.messages.outgoing import Publication
from toolkit.receiving.pump import Pump
from toolkit.receiving.quarantine import Quarantine
from toolkit.transport.port import Delivery

QUEUE = "shop.ship"
SUSPECTS = "shop.suspects"


class SuspectsInMemory:
    """See `toolkit.receiving.quarantine.Suspects`; a failure is raised once, by the next look.

    What is given back is first in the queue again, as on a broker.
    """

    def __init__(self, *suspects: InMemoryDelivery) -> None:
        self.waiting = deque(suspects)
        self._taken: InMemoryDelivery | None = None
        self.failure: Exception | None = None

    async def count(self, queue: str) -> int:
        assert queue == SUSPECTS
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self._put_back()
        return len(self.waiting)

    async def take(self, queue: str) -> Delivery | None:
        assert queue == SUSPECTS
        self._put_back()
        self._taken = self.waiting.popleft() if self.waiting else None
        return self._taken

    async def publish(self, copy: Publication) -> None:
        assert copy.routing_key == SUSPECTS
        self.waiting.append(InMemoryDelivery(copy.envelope))

    def _put_back(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and taken.mark == "given back":
            self.waiting.appendleft(InMemoryDelivery(taken.envelope, is_redelivered=True))


def suspect(
    message_id: str = "suspect", *, deliveries: int = 0, queue: str | None = QUEUE
) -> InMemoryDelivery:
    headers = {"failed-queue": queue, "x-delivery-count": deliveries}
    return delivery(headers=headers, message_id=message_id)


@asynccontextmanager
async def service(
    consumer: Consumer[OrderPlaced], suspects: SuspectsInMemory, postbox: Postbox | None = None
) -> AsyncIterator[tuple[Pump, Quarantine]]:
    """A pump for ordinary messages, and the quarantine beside it."""
    pipeline = engine(consumer, postbox or Postbox())
    pump = Pump(QUEUE, pipeline.receive, concurrency=5)
    quarantine = Quarantine(SUSPECTS, suspects, {QUEUE: pipeline}, [pump], suspects.publish)
    pump.start()
    quarantine.start()
    try:
        yield pump, quarantine
    finally:
        await quarantine.stop()
        await pump.stop()


class Slow(Ship):
    """Takes ten seconds, and notes who is running with whom."""

    def __init__(self) -> None:
        super().__init__(self.take_time)
        self.running: set[str] = set()
        self.company: dict[str, set[str]] = {}

    async def take_time(self, order: OrderPlaced, context: Context) -> None:
        name = context.message_id or ""
        self.running.add(name)
        for other in self.running:
            self.company.setdefault(other, set()).update(self.running)
        await asyncio.sleep(10)
        self.running.remove(name)


@in_virtual_time
async def test_a_suspect_runs_while_everything_else_stands_still() -> None:
    """It waits until the others are done; those that come meanwhile wait for it."""
    slow, suspects = Slow(), SuspectsInMemory()
    async with service(slow, suspects) as (pump, quarantine):
        await until_nothing_moves()
        pump.deliver(delivery(message_id="before"))
        pump.deliver(delivery(message_id="beside"))
        await until_nothing_moves()
        suspects.waiting.extend([suspect("one"), suspect("two")])
        quarantine.call()
        await until_nothing_moves()
        pump.deliver(delivery(message_id="after"))
        await asyncio.sleep(60)
    assert slow.company == {
        "before": {"before", "beside"},
        "beside": {"before", "beside"},
        "one": {"one"},
        "two": {"two"},
        "after": {"after"},
    }


@in_virtual_time
async def test_suspects_that_were_there_before_the_start_are_heard_first() -> None:
    """One of them may kill this process, and must not take others along."""
    slow, left = Slow(), suspect("left")
    async with service(slow, SuspectsInMemory(left)) as (pump, _):
        pump.deliver(delivery(message_id="new"))
        await asyncio.sleep(60)
    assert list(slow.company) == ["left", "new"]
    assert left.mark == "acked"


@in_virtual_time
async def test_suspects_of_another_process_are_heard_before_long() -> None:
    """Nobody calls for those; the queue is looked at every few seconds."""
    ship, suspects = Ship(), SuspectsInMemory()
    async with service(ship, suspects):
        await asyncio.sleep(60)
        suspects.waiting.append(suspect())
        await asyncio.sleep(10)
        assert len(ship.handled) == 1


@in_virtual_time
async def test_everything_goes_on_after_a_suspect_that_failed() -> None:
    """Its failure is settled as its policy says."""
    postbox, incoming, other = Postbox(), suspect(), delivery()
    ship = Ship(*[ValueError("no")] * 3, _succeed)
    async with service(ship, SuspectsInMemory(incoming), postbox) as (pump, _):
        pump.deliver(other)
        await until_nothing_moves()
    assert postbox.only.exchange == "shop.delay.1s"
    assert (incoming.mark, other.mark) == ("acked", "acked")


async def _succeed(order: OrderPlaced, context: Context) -> None: ...


@in_virtual_time
async def test_a_suspect_that_killed_its_process_again_is_given_up() -> None:
    """As crashed, without being handled, once it has used up its chances."""
    postbox, ship, incoming = Postbox(), Ship(), suspect(deliveries=2)
    async with service(ship, SuspectsInMemory(incoming), postbox):
        await until_nothing_moves()
    headers = postbox.only.envelope.headers
    assert postbox.only.routing_key == "shop.ship.dead"
    assert headers["dead-reason"] == "crashed"
    assert headers["error-type"] == "toolkit.errors.CrashedError"
    assert (ship.attempts, incoming.mark) == ([], "acked")


@in_virtual_time
async def test_a_suspect_has_more_than_one_chance() -> None:
    """One may have been cut short by a mere restart."""
    ship, incoming = Ship(), suspect(deliveries=1)
    async with service(ship, SuspectsInMemory(incoming)):
        await until_nothing_moves()
    assert (len(ship.handled), incoming.mark) == (1, "acked")


@in_virtual_time
async def test_a_suspect_of_a_consumer_that_is_not_here_is_given_back() -> None:
    """Another release of the service may have it; everything else goes on."""
    stranger, other = suspect(queue="shop.bill"), delivery()
    async with service(Ship(), SuspectsInMemory(stranger)) as (pump, _):
        pump.deliver(other)
        await until_nothing_moves()
    assert (stranger.mark, other.mark) == ("acked", "acked")


@in_virtual_time
async def test_a_suspect_behind_such_a_one_is_heard_all_the_same() -> None:
    """What nobody here can handle must not stand in the way of what somebody can."""
    behind = suspect("behind")
    async with service(Ship(), SuspectsInMemory(suspect(queue="shop.bill"), behind)):
        await asyncio.sleep(60)
    assert behind.mark == "acked"


def test_a_fault_leaves_nobody_standing() -> None:
    """Neither a lost connection nor one of our own; the queue is looked at again."""
    for failure in (ConnectionLostError("cut"), KeyError("bug")):
        _looked_at_again_after(failure)


@in_virtual_time
async def _looked_at_again_after(failure: Exception) -> None:
    suspects, other, late = SuspectsInMemory(), delivery(), suspect()
    suspects.failure = failure
    async with service(Ship(), suspects) as (pump, quarantine):
        pump.deliver(other)
        await until_nothing_moves()
        assert other.mark == "acked"
        suspects.waiting.append(late)
        quarantine.call()
        await asyncio.sleep(60)
    assert late.mark == "acked"


@in_virtual_time
async def test_finishing_waits_for_the_suspect_that_runs_and_takes_no_other() -> None:
    """The first half of an ordered shutdown."""
    running, waiting = suspect("running"), suspect("waiting")
    slow = Slow()
    async with service(slow, SuspectsInMemory(running, waiting)) as (_, quarantine):
        await until_nothing_moves()
        await quarantine.finish()
        assert (running.mark, waiting.mark) == ("acked", None)
    assert slow.attempts == [1]
    assert len(slow.handled) == 1


@in_virtual_time
async def test_finishing_takes_no_time_where_no_suspect_runs() -> None:
    """A shutdown doesn't wait for the next look."""
    async with service(Ship(), SuspectsInMemory()) as (_, quarantine):
        await until_nothing_moves()
        began = now()
        await quarantine.finish()
        assert now() == began


@in_virtual_time
async def test_without_suspects_nobody_stands_still() -> None:
    """Looking costs the others nothing, however long one of them takes."""
    slow = Slow()
    async with service(slow, SuspectsInMemory()) as (pump, _):
        pump.deliver(delivery(message_id="long"))
        await asyncio.sleep(9)
        pump.deliver(delivery(message_id="short"))
        await until_nothing_moves()
        assert slow.running == {"long", "short"}


@in_virtual_time
async def test_stopping_gives_back_the_suspect_that_runs() -> None:
    """The second half, when the grace period is over; its chance isn't used up by that."""
    running = suspect()
    pipeline = engine(Slow(), Postbox(), is_stopping=True)
    suspects = SuspectsInMemory(running)
    quarantine = Quarantine(SUSPECTS, suspects, {QUEUE: pipeline}, [], suspects.publish)
    quarantine.start()
    await until_nothing_moves()
    await quarantine.stop()
    assert running.mark == "given back"
