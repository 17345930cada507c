"""A harness tells the truth about services, on a broker in memory and on RabbitMQ alike."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.shop import Behaviour, Cancelled, Gate, Handle, Notified, Placed, Ship, ShopEvents
from toolkit import (
    ConfigurationError,
    Consumer,
    Context,
    Discard,
    HandlerTimeoutError,
    MessageTooLargeError,
    QueueOptions,
    RefusedError,
    Reject,
    Retry,
    Service,
    Settings,
    UndecodableError,
    UnroutableError,
)
from toolkit.testing import NotSettledError, ServiceHarness

Harness = Callable[..., ServiceHarness]


class Transient(Exception):
    """Another try may help."""


class Permanent(Exception):
    """None will."""


def failing(times: int, error: type[Exception] = Transient) -> Behaviour:
    left = times

    async def behave(message: Placed, context: Context) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error(f"order {message.number}")

    return behave


async def announcing(message: Placed, context: Context) -> None:
    await context.publish(Notified(number=message.number))


class HearOfIt(Consumer[Notified]):
    """At the end of the chain."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def handle(self, message: Notified, context: Context) -> None:
        self.heard.append(message.number)


def shop(*consumers: Consumer[Any], name: str = "shop") -> Service:
    return Service(name, consumers=list(consumers), producers=[ShopEvents])


# ------------------------------------------------------------------------------ what it sees


async def test_it_sees_what_was_published_and_who_consumed_it(harness: Harness) -> None:
    """Across two services, with every id that ties them together."""
    hear = HearOfIt()
    crier = shop(Handle(announcing))
    async with harness(crier, Service("far-away", consumers=[hear])) as seen:
        placed = await seen.publish(Placed(number=1), correlation_id="story")
        await seen.settled()
        told = seen.published(Notified, by=crier).only
        assert (told.message, told.causation_id) == (Notified(number=1), placed)
        assert seen.consumed(Placed, by=Handle).only.message_id == placed
        heard = seen.consumed(Notified, by="far-away").only
        assert (heard.message.number, heard.correlation_id) == (1, "story")
    assert hear.heard == [1]


async def test_views_are_filtered_by_type_fields_and_whoever_did_it(harness: Harness) -> None:
    """And are always as things are now."""
    async with harness(shop(Handle())) as seen:
        handled = seen.consumed(Placed)
        assert not handled
        for number in range(3):
            await seen.publish(Placed(number=number))
        await seen.settled()
        assert len(handled) == 3
        assert handled.where(number=2).only.message == Placed(number=2)
        assert handled.where(number="2").only.message == Placed(number=2)
        assert [r.message.number for r in handled.where(lambda r: r.message.number > 0)] == [1, 2]
        assert not handled.where(colour="red")
        assert not handled.where(number=7)
        assert not seen.consumed(Placed, by="somebody else")
        assert not seen.consumed(Cancelled)
        with pytest.raises(AssertionError, match=r"not just one: <3 consumed shop\.placed:"):
            _ = handled.only


async def test_commands_are_sent_and_events_without_a_listener_are_known(harness: Harness) -> None:
    """A test that talks to nobody is told so; a service may."""

    class Expedition(Consumer[Ship]):
        async def handle(self, message: Ship, context: Context) -> None:
            await context.publish(Notified(number=message.number))

    async with harness(shop(Expedition())) as seen:
        await seen.send(Ship(number=1))
        await seen.settled()
        assert seen.published(Notified).only.is_unheard
        with pytest.raises(UnroutableError, match=r"shop\.cancelled"):
            await seen.publish(Cancelled(number=1))


async def test_a_stranger_may_publish_any_bytes(harness: Harness) -> None:
    """What can't be read is a dead letter, and fails a test that didn't expect it."""
    async with harness(shop(Handle())) as seen:
        await seen.publish_bytes(b"{}", routing_key="shop.placed", type="shop.placed")
        with pytest.raises(UndecodableError, match="number"):
            await seen.settled()
        letter = seen.dead_lettered(Placed).only
        assert (letter.reason, letter.dead_letter_queue) == ("undecodable", "shop.handle.dead")
        with pytest.raises(UndecodableError):
            _ = letter.message
        assert not seen.dead_lettered(Placed).where(number=1)


async def test_work_that_no_message_set_off_can_be_waited_for(harness: Harness) -> None:
    """A relay, say, or a request: `settled` can't know of it."""
    service = shop(Handle())
    async with harness(service) as seen:
        loop = asyncio.get_running_loop()
        task = loop.create_task(ShopEvents(service).placed(Placed(number=5)))
        (arrived,) = await seen.consumed(Placed).at_least(1)
        assert arrived.message.number == 5
        await task


# ------------------------------------------------------------------------------ time


async def test_a_whole_ladder_ends_in_a_dead_letter(harness: Harness) -> None:
    """The same test passes on RabbitMQ, where time passes as it does."""
    consumer = Handle(failing(9), retry=Retry(immediately=0, after=("1s", "1s")))
    async with harness(shop(consumer)) as seen:
        seen.expect(Transient)
        await seen.publish(Placed(number=1))
        await seen.settled()
        assert len(consumer.seen) == 1
        await seen.advance("1s")
        await seen.advance("1s")
        letter = seen.dead_lettered(Placed).only
        assert (letter.reason, letter.attempt) == ("failed", 3)
        assert len(seen.retried(Placed)) == 2


async def test_minutes_of_retries_take_a_moment_in_memory() -> None:
    """1 s, 5 s, 30 s and 2 min, to the second, and no sleep anywhere."""
    consumer = Handle(failing(9), retry=Retry(immediately=0, after=("1s", "5s", "30s", "2m")))
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(Transient)
        await seen.publish(Placed(number=1))
        for runs, wait in enumerate(("1s", "5s", "30s", "2m"), start=1):
            await seen.settled()
            assert len(consumer.seen) == runs
            await seen.advance(wait)
        assert seen.dead_lettered(Placed).only.attempt == 5


async def test_nothing_falls_due_early() -> None:
    """A millisecond before, it still waits; then it doesn't."""
    consumer = Handle(failing(1), retry=Retry(immediately=0, after=("5s",)))
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(Transient)
        await seen.publish(Placed(number=1))
        await seen.settled()
        await seen.advance("4999ms")
        assert len(consumer.seen) == 1
        await seen.advance("1ms")
        assert consumer.done == [1]


async def test_what_falls_due_on_the_way_happens_in_its_order() -> None:
    """One long step is as good as many short ones."""
    consumer = Handle(failing(4), retry=Retry(immediately=0, after=("1s", "5s", "30s", "2m")))
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(Transient)
        await seen.publish(Placed(number=1))
        await seen.advance("10m")
        assert consumer.done == [1]
        waits = [str(record.delay) for record in seen.retried(Placed)]
        assert waits == ["0:00:01", "0:00:05", "0:00:30", "0:02:00"]


async def test_a_pause_in_place_is_at_rest_until_time_passes() -> None:
    """Delays under a second keep their slot."""
    consumer = Handle(failing(1), retry=Retry(immediately=0, after=("200ms",)), concurrency=1)
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(Transient)
        await seen.publish(Placed(number=1))
        await seen.publish(Placed(number=2))
        await seen.settled()
        assert consumer.done == []
        await seen.advance("200ms")
        assert consumer.done == [1, 2]


async def test_a_handlers_own_timeout_passes_with_the_harness_time() -> None:
    """A handler that hangs is ended, and its message given up."""
    consumer = Handle(Gate(), timeout="30s", retry=Retry(immediately=0, after=()))
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(HandlerTimeoutError)
        await seen.publish(Placed(number=1))
        await seen.advance("30s", at_rest=False)
        await seen.settled()
        assert "30s" in str(seen.dead_lettered(Placed).only.error)


async def test_a_message_that_is_unacknowledged_for_long_is_warned_about() -> None:
    """Before the broker takes it away; one that waits for its turn behind it too."""
    gate = Gate()
    consumer = Handle(gate, timeout=None, concurrency=1)
    async with ServiceHarness(shop(consumer)) as seen:
        await seen.publish(Placed(number=1))
        await gate.entered.acquire()
        with capture_logs() as logs:
            await seen.advance("23m", at_rest=False)
            assert not logs
            await seen.advance("2m", at_rest=False)
        assert [(line["queue"], line["minutes"]) for line in logs] == [
            ("shop.handle", 24),
            ("shop.handle", 25),
        ]
        gate.is_open.set()


# ------------------------------------------------------------------------------ what it catches


async def test_an_unexpected_error_fails_the_test_with_its_own_traceback(harness: Harness) -> None:
    """Where it was raised, for which message, and what to do if it was meant."""
    async with harness(shop(Handle(failing(1)))) as seen:
        await seen.publish(Placed(number=7), message_id="m-7")
        with pytest.raises(Transient, match="order 7") as caught:
            await seen.settled()
    assert caught.traceback[-1].name == "behave"
    (note,) = caught.value.__notes__
    assert "Handle handled shop.placed m-7, run 1" in note
    assert "harness.expect(Transient)" in note


async def test_an_unexpected_error_fails_the_test_at_the_latest_when_it_leaves() -> None:
    """Even if nobody asks."""
    with pytest.raises(Transient):
        async with ServiceHarness(shop(Handle(failing(1)))) as seen:
            await seen.publish(Placed(number=1))


@pytest.mark.parametrize("verdict", [Reject("no"), Discard("no")])
async def test_what_a_handler_decides_on_purpose_fails_no_test(verdict: Exception) -> None:
    """Verdicts are no accidents."""

    async def judge(_: Placed, __: Context) -> None:
        raise verdict

    async with ServiceHarness(shop(Handle(judge))) as seen:
        await seen.publish(Placed(number=1))
        await seen.settled()
        assert len(seen.dead_lettered(Placed)) == isinstance(verdict, Reject)


async def test_it_catches_a_handler_that_publishes_and_then_fails(harness: Harness) -> None:
    """Nothing of what it wanted to say goes out, however often it runs."""

    async def promise_and_fail(message: Placed, context: Context) -> None:
        await context.publish(Notified(number=message.number))
        raise Permanent

    consumer = Handle(promise_and_fail, retry=Retry(immediately=2, after=()))
    async with harness(shop(consumer, HearOfIt())) as seen:
        seen.expect(Permanent)
        await seen.publish(Placed(number=1))
        await seen.settled()
        assert len(consumer.seen) == 3
        assert not seen.published(Notified)
        assert not seen.consumed(Notified)


async def test_it_catches_two_consumers_that_compete_for_a_queue(harness: Harness) -> None:
    """Each message goes to one of them only, where both were meant to hear it."""
    queue = QueueOptions(name="shared")
    one, other = Handle(queue=queue), Handle(queue=queue)
    async with harness(shop(one, name="one"), shop(other, name="other")) as seen:
        for number in range(10):
            await seen.publish(Placed(number=number))
        await seen.settled()
        by_one, by_other = seen.consumed(Placed, by="one"), seen.consumed(Placed, by="other")
        assert len(by_one) + len(by_other) == 10
        assert by_one
        assert by_other
    assert sorted(one.done + other.done) == list(range(10))


async def test_it_catches_a_message_that_nobody_handles(harness: Harness) -> None:
    """In the queue of a consumer that doesn't know its type."""
    async with harness(shop(Handle())) as seen:
        await seen.publish_bytes(b"{}", exchange="", routing_key="shop.handle", type="unheard.of")
        with pytest.raises(Exception, match=r"'unheard\.of' is handled by nobody here"):
            await seen.settled()
        assert seen.dead_lettered().only.reason == "unhandled"


async def test_it_catches_a_handler_that_is_not_idempotent(harness: Harness) -> None:
    """The same message again: what was done once is done twice."""
    consumer = Handle()
    async with harness(shop(consumer)) as seen:
        await seen.publish(Placed(number=1), message_id="m-1")
        await seen.settled()
        await seen.redeliver(seen.consumed(Placed).only)
        await seen.settled()
        assert len(seen.consumed(Placed)) == 2
    assert consumer.done == [1, 1]
    assert {run.message_id for run in consumer.seen} == {"m-1"}


async def test_what_hangs_ends_with_what_still_runs(harness: Harness) -> None:
    """And with the story so far."""
    gate = Gate()
    async with harness(shop(Handle(gate))) as seen:
        await seen.publish(Placed(number=1))
        with pytest.raises(NotSettledError, match="shop has 1 under way") as caught:
            await seen.settled(within="50ms")
        gate.is_open.set()
    assert "published by test" in str(caught.value)


async def test_a_failed_test_shows_the_messages_cause_under_cause() -> None:
    """Under the failure itself, wherever it is printed."""

    async def fail() -> None:
        async with ServiceHarness(shop(Handle(announcing), HearOfIt())) as seen:
            await seen.publish(Placed(number=1), message_id="the-cause")
            await seen.settled()
            raise AssertionError("the test's own")

    with pytest.raises(AssertionError) as caught:
        await fail()
    (note,) = caught.value.__notes__
    told = note.splitlines()
    assert told[0] == "Messages, cause under cause:"
    assert told[1] == "shop.placed the-caus"
    assert told[2] == "│  +0s      published by test"
    assert told[3] == "│  +0s      Handle handled it, run 1"
    assert told[4].startswith("└─ shop.notified ")
    assert told[5] == "      +0s      published by shop"
    assert told[6] == "      +0s      HearOfIt handled it, run 1"


async def test_what_the_broker_gives_up_by_itself_is_in_the_timeline() -> None:
    """No service ever hears of it."""
    gate = Gate()
    consumer = Handle(gate, concurrency=1, prefetch=1, queue=QueueOptions(ttl="5s"))
    async with ServiceHarness(shop(consumer)) as seen:
        await seen.publish(Placed(number=1))
        await gate.entered.acquire()
        await seen.publish(Placed(number=2))
        await seen.advance("5s", at_rest=False)
        assert "the broker dead-lettered it: expired" in seen.timeline
        gate.is_open.set()


# ------------------------------------------------------------------------------ faults


async def test_a_crash_before_the_ack_runs_a_handler_twice(harness: Harness) -> None:
    """What it did is done, and the broker never heard of it."""
    consumer = Handle(announcing)
    hear = HearOfIt()
    async with harness(shop(consumer, hear)) as seen:
        seen.crash_before_ack(Placed)
        await seen.publish(Placed(number=1))
        await seen.settled()
        ids = {record.message_id for record in seen.published(Notified)}
    assert [run.redelivered for run in consumer.seen] == [False, True]
    assert len(hear.heard) >= 2
    assert len(ids) == 1


async def test_a_refused_publish_of_a_handler_leaves_its_message_queued() -> None:
    """After a pause it runs again, and publishes under the same id."""
    consumer = Handle(announcing)
    async with ServiceHarness(shop(consumer, HearOfIt())) as seen:
        seen.refuse_publish(Notified)
        await seen.publish(Placed(number=1))
        await seen.settled()
        assert seen.published(Notified).only.fate == "refused"
        await seen.advance("1s")
        first, second = seen.published(Notified)
        assert (first.message_id, second.fate) == (second.message_id, "confirmed")
    assert len(consumer.seen) == 2


async def test_a_producers_publish_can_be_refused_or_returned(harness: Harness) -> None:
    """As often as it was ordered, and no more."""
    service = shop(Handle())
    async with harness(service) as seen:
        seen.refuse_publish(Placed, times=2)
        for _ in range(2):
            with pytest.raises(RefusedError):
                await ShopEvents(service).placed(Placed(number=1))
        await ShopEvents(service).placed(Placed(number=1))
        seen.return_publish()
        with pytest.raises(UnroutableError):
            await ShopEvents(service).ship(Ship(number=1))
        await seen.settled()
        assert [r.fate for r in seen.published(Placed)] == ["refused", "refused", "confirmed"]


async def test_a_body_over_the_limit_is_a_refused_publish() -> None:
    """It was certainly not sent, so its fate is known."""
    service = Service(
        "shop",
        consumers=[Handle()],
        producers=[ShopEvents],
        settings=Settings(amqp_url="memory://"),
    )
    async with ServiceHarness(service) as seen:
        with pytest.raises(MessageTooLargeError):
            await ShopEvents(service).placed(Placed(number=1), headers={"long": "x" * 200_000})
        assert seen.published(Placed).only.fate == "refused"


async def test_a_lost_connection_is_mended_and_what_was_held_comes_again(harness: Harness) -> None:
    """The handler that was at work finishes, and what it did is not done again."""
    gate = Gate()
    consumer = Handle(gate)
    async with harness(shop(consumer)) as seen:
        await seen.publish(Placed(number=1))
        await gate.entered.acquire()
        seen.drop_connection()
        await seen.publish(Placed(number=2))
        await gate.entered.acquire()  # it consumes again
        gate.is_open.set()
        await seen.settled()
    assert sorted(consumer.done) == [1, 2]


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ((), "there is no service"),
        (("shop",), "'shop' is no toolkit.Service"),
        ((twice := shop(), twice), "'shop' is there twice"),
    ],
)
def test_services_that_can_not_be_tested_are_named(
    services: tuple[Service, ...], said: str
) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigurationError, match=said):
        ServiceHarness(*services)


async def test_a_service_that_runs_already_is_not_started_again() -> None:
    """It is on another broker."""
    async with ServiceHarness(service := shop()):
        with pytest.raises(ConfigurationError, match="'shop' is running already"):
            ServiceHarness(service)


async def test_a_service_can_be_tested_again() -> None:
    """Each harness sees only its own time."""
    service = shop(Handle())
    for _ in range(2):
        async with ServiceHarness(service) as seen:
            await seen.publish(Placed(number=1))
            await seen.settled()
            assert len(seen.consumed(Placed)) == 1


async def test_an_address_that_is_none_is_refused() -> None:
    """With what would be one."""
    with pytest.raises(Exception, match="'http://h' is no broker for a harness"):
        ServiceHarness(shop(), broker="http://h")


async def test_a_harness_that_does_not_run_says_so() -> None:
    """Before and after its block."""
    with pytest.raises(Exception, match="isn't running; use `async with"):
        await ServiceHarness(shop(Handle())).publish(Placed(number=1))


@pytest.mark.parametrize("seed", range(10))
async def test_cuts_at_any_moment_lose_nothing_and_do_nothing_twice(seed: int) -> None:
    """As long as the process lives: what outlives its connection is finished once, and no message
    is held to be the death of anything, however often it was delivered.
    """
    random = Random(seed)

    async def dawdle(message: Placed, context: Context) -> None:
        for _ in range(random.randrange(30)):
            await asyncio.sleep(0)
        if random.random() < 0.1:
            raise Transient(message.number)

    retry = Retry(immediately=5, after=("1s",) * 5)
    consumer = Handle(dawdle, retry=retry, concurrency=random.randrange(1, 20))
    async with ServiceHarness(shop(consumer)) as seen:
        seen.expect(Transient)
        cuts = random.sample(range(200), 15)  # of 20 deliveries the broker itself makes an end
        for number in range(200):
            await seen.publish(Placed(number=number))
            if number in cuts:
                seen.drop_connection()
        await seen.settled()
        await seen.advance("1m")
        assert not seen.dead_lettered()
    assert sorted(consumer.done) == list(range(200))
