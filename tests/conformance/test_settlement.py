"""The settlement table of the semantics, row by row, on every broker."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.conformance.outsider import Outsider
from tests.outsider import eventually
from tests.shop import Behaviour, Gate, Handle, Notified, Placed, Ship, ShopEvents, shop
from toolkit import Context, Discard, Reject, Retry, RetryAfter
from toolkit.messages import headers as wire

QUEUE = "shop.handle"
DEAD = "shop.handle.dead"
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True, params=["fast", "plain"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row holds on both lanes; the broker in memory has none, and passes twice."""
    monkeypatch.setenv("TOOLKIT_LANE", request.param)


class Transient(Exception):
    """Another try may help."""


class Permanent(Exception):
    """No other try will help."""


def failing(times: int, error: type[Exception] = Transient) -> Behaviour:
    """A behaviour that fails so many times before it succeeds."""
    left = times

    async def behave(message: Placed, context: Context) -> None:
        nonlocal left
        if left:
            left -= 1
            raise error(f"order {message.number} failed")

    return behave


async def test_a_handled_message_is_acknowledged(outsider: Outsider) -> None:
    """When the handler has returned, nothing of the message is left anywhere."""
    consumer = Handle()
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        await eventually(lambda: consumer.done == [1])
    assert await outsider.count(QUEUE) == 0
    assert await outsider.count(DEAD) == 0


@pytest.mark.reads_the_wire
async def test_what_a_handler_publishes_is_confirmed_before_the_ack(outsider: Outsider) -> None:
    """With its confirm lost, the original was not acknowledged: it is back in its queue."""
    consumer = Handle(behaviour=publishing)
    await outsider.listen("told", "shop.notified")
    async with (
        outsider.network() as network,
        shop(network.url, consumer, shutdown_grace="100ms"),
    ):
        network.lose_confirms("events", "shop.notified")
        await outsider.publish(b'{"number": 1}', routing_key=QUEUE, type="shop.placed")
        await eventually(lambda: consumer.done == [1])
        network.cut_for_good()
        await outsider.settled(QUEUE, ready=1)


async def publishing(message: Placed, context: Context) -> None:
    """Announces that the customer was told."""
    await context.publish(Notified(number=message.number))


async def test_tries_in_place_keep_the_slot_and_the_id(outsider: Outsider) -> None:
    """Immediate tries count up from 1, with one id, without another delivery."""
    consumer = Handle(failing(2), retry=Retry(immediately=2, after=()))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1), message_id="order-1")
        await eventually(lambda: consumer.done == [1])
    assert [seen.attempt for seen in consumer.seen] == [1, 2, 3]
    assert {seen.message_id for seen in consumer.seen} == {"order-1"}
    assert not any(seen.redelivered for seen in consumer.seen)
    assert await outsider.count(DEAD) == 0


async def test_delayed_tries_come_within_a_second_of_their_rung(outsider: Outsider) -> None:
    """Each delay passes on the broker, with the message's id kept and its attempts counted."""
    consumer = Handle(failing(2), retry=Retry(immediately=0, after=("1s", "2s")))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1), message_id="order-1")
        await eventually(lambda: consumer.done == [1])
    assert [seen.attempt for seen in consumer.seen] == [1, 2, 3]
    assert {seen.message_id for seen in consumer.seen} == {"order-1"}
    waited = [later.at - earlier.at for earlier, later in pairwise(consumer.seen)]
    assert SECOND <= waited[0] <= 2 * SECOND
    assert 2 * SECOND <= waited[1] <= 3 * SECOND


async def test_each_round_is_tried_in_place_again(outsider: Outsider) -> None:
    """Two tries in place and one delay make four tries, and then a dead letter."""
    consumer = Handle(failing(99), retry=Retry(immediately=1, after=("1s",)))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        letter = await outsider.take(DEAD)
    assert [seen.attempt for seen in consumer.seen] == [1, 2, 3, 4]
    assert letter.headers[wire.ATTEMPTS] == 4


async def test_delays_under_a_second_are_waited_for_in_place(outsider: Outsider) -> None:
    """A short delay needs no rung, and is a round of its own."""
    consumer = Handle(failing(2), retry=Retry(immediately=0, after=("50ms", "100ms")))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        await eventually(lambda: consumer.done == [1])
    assert [seen.attempt for seen in consumer.seen] == [1, 2, 3]
    assert consumer.seen[2].at - consumer.seen[0].at >= timedelta(milliseconds=150)


async def test_retry_after_waits_at_least_that_long_and_counts(outsider: Outsider) -> None:
    """A delay that is no rung is made of rungs; the budget of delayed tries still holds."""
    consumer = Handle(asking_for("2500ms"), retry=Retry(immediately=2, after=("1s",)))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        letter = await outsider.take(DEAD)
    first, second = consumer.seen
    assert timedelta(seconds=2.5) <= second.at - first.at <= timedelta(seconds=4.5)
    assert letter.headers[wire.ATTEMPTS] == 2
    assert letter.headers[wire.DEAD_REASON] == "failed"


def asking_for(delay: str) -> Behaviour:
    """A behaviour that always asks to be tried later."""

    async def behave(_: Placed, __: Context) -> None:
        raise RetryAfter(delay)

    return behave


async def test_a_spent_budget_ends_in_a_dead_letter_that_says_what_failed(
    outsider: Outsider,
) -> None:
    """The fault record is whole, and bytes and properties are what they were."""
    consumer = Handle(failing(99), retry=Retry(immediately=0, after=("1s",)))
    async with shop(outsider.url, consumer):
        await outsider.publish(
            b'{"number": 7,  "unknown": "kept"}',
            exchange="events",
            routing_key="shop.placed",
            type="shop.placed",
            message_id="m-7",
            correlation_id="story-7",
            reply_to="nobody",
            app_id="elsewhere",
            priority=3,
            expiration=60,
            headers={"tenant": "blue", "n": 5},
            content_type="application/json",
        )
        letter = await outsider.take(DEAD)
    headers = letter.headers
    assert letter.body == b'{"number": 7,  "unknown": "kept"}'
    assert (letter.message_id, letter.correlation_id, letter.type) == (
        "m-7",
        "story-7",
        "shop.placed",
    )
    assert (letter.reply_to, letter.app_id, letter.priority) == ("nobody", "elsewhere", 3)
    assert (headers["tenant"], headers["n"]) == ("blue", 5)
    assert headers[wire.DEAD_REASON] == "failed"
    assert headers[wire.ERROR_TYPE].endswith("test_settlement.Transient")
    assert headers[wire.ERROR_MESSAGE] == "order 7 failed"
    assert "raise error(" in headers[wire.ERROR_STACK]
    assert len(headers[wire.ERROR_FINGERPRINT]) == 16
    assert headers[wire.ATTEMPTS] == 2
    assert headers[wire.FIRST_FAILED_AT] < headers[wire.FAILED_AT]
    assert headers[wire.FAILED_QUEUE] == QUEUE
    assert headers[wire.FAILED_CONSUMER] == "Handle"
    assert headers[wire.FAILED_SERVICE] == "shop"
    assert headers[wire.FAILED_HOST]
    assert headers[wire.ORIGINAL_EXCHANGE] == "events"
    assert headers[wire.ORIGINAL_ROUTING_KEY] == "shop.placed"
    assert headers[wire.ORIGINAL_EXPIRATION] == "60000"
    assert "x-death" not in headers


async def test_an_error_that_is_never_retried_is_dead_lettered_at_once(outsider: Outsider) -> None:
    """`never` spends neither the tries in place nor the delays."""
    retry = Retry(immediately=5, after=("1s",), never=(Permanent,))
    consumer = Handle(failing(1, Permanent), retry=retry)
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        letter = await outsider.take(DEAD)
    assert len(consumer.seen) == 1
    assert letter.headers[wire.ATTEMPTS] == 1


@pytest.mark.parametrize(
    ("body", "message_type", "reason"),
    [
        (b"{not json", "shop.placed", "undecodable"),
        (b'{"number": "many"}', "shop.placed", "undecodable"),
        (b'{"number": 1}', "shop.unheard-of", "unhandled"),
    ],
)
async def test_what_cannot_be_handled_is_dead_lettered_without_a_try(
    outsider: Outsider, body: bytes, message_type: str, reason: str
) -> None:
    """Undecodable and unhandled have a reason each; the next message is handled."""
    consumer = Handle()
    async with shop(outsider.url, consumer):
        await outsider.publish(body, routing_key=QUEUE, type=message_type)
        await outsider.publish(b'{"number": 2}', routing_key=QUEUE, type="shop.placed")
        letter = await outsider.take(DEAD)
        await eventually(lambda: consumer.done == [2])
    assert letter.body == body
    assert letter.headers[wire.DEAD_REASON] == reason
    assert letter.headers[wire.ATTEMPTS] == 0


async def test_reject_is_a_dead_letter_and_discard_is_an_ack(outsider: Outsider) -> None:
    """A handler decides for itself, once and without a retry."""
    consumer = Handle(judging, retry=Retry(immediately=3, after=("1s",)))
    async with shop(outsider.url, consumer) as service:
        events = ShopEvents(service)
        await events.placed(Placed(number=1))
        await events.placed(Placed(number=2))
        letter = await outsider.take(DEAD)
        await eventually(lambda: len(consumer.seen) == 2)
    assert letter.headers[wire.DEAD_REASON] == "rejected"
    assert letter.headers[wire.ERROR_MESSAGE] == "not ours"
    assert await outsider.count(DEAD) == 0
    assert await outsider.count(QUEUE) == 0


async def judging(message: Placed, _: Context) -> None:
    """Rejects odd orders and discards even ones."""
    if message.number % 2:
        raise Reject("not ours")
    raise Discard("seen before")


async def test_a_failed_run_publishes_nothing_and_ids_are_the_same_each_time(
    outsider: Outsider,
) -> None:
    """Publishes of a failed run are dropped; those of the last carry ids that derive from it."""
    attempts: list[str] = []

    async def publish_then_fail(message: Placed, context: Context) -> None:
        await context.publish(Notified(number=message.number))
        attempts.append(str(context.attempt))
        if context.attempt == 1:
            raise Transient

    consumer = Handle(publish_then_fail, retry=Retry(immediately=1, after=()))
    await outsider.listen("told", "shop.notified")
    async with shop(outsider.url, consumer) as service:
        events = ShopEvents(service)
        await events.placed(Placed(number=1), message_id="m-1", correlation_id="story")
        told = await outsider.take("told")
        await events.placed(Placed(number=1), message_id="m-1", correlation_id="story")
        told_again = await outsider.take("told")
    assert attempts == ["1", "2", "1", "2"]
    assert told.message_id == told_again.message_id
    assert told.correlation_id == "story"
    assert told.headers[wire.CAUSATION_ID] == "m-1"
    assert await outsider.count("told") == 0


async def test_a_shutdown_returns_what_has_not_begun(outsider: Outsider) -> None:
    """Of five messages, the one that runs is finished and acked, four are back in the queue."""
    gate = Gate()
    consumer = Handle(gate, concurrency=1, prefetch=5)
    service = shop(outsider.url, consumer)
    async with service:
        await ShopEvents(service).placed.many(Placed(number=n) for n in range(5))
        await gate.entered.acquire()
        stopping = asyncio.create_task(service.stop())
        await outsider.settled(QUEUE, ready=4)
        gate.is_open.set()
        await stopping
    assert consumer.done == [0]
    assert await outsider.count(QUEUE) == 4


async def test_a_run_longer_than_the_grace_period_is_cancelled_and_returned(
    outsider: Outsider,
) -> None:
    """The message is back in its queue, and was never acked."""
    gate = Gate()
    consumer = Handle(gate)
    service = shop(outsider.url, consumer)
    async with service:
        await ShopEvents(service).placed(Placed(number=1))
        await gate.entered.acquire()
        await service.stop(timedelta(milliseconds=100))
    assert consumer.done == []
    await outsider.settled(QUEUE, ready=1)


async def test_the_original_stays_when_a_copy_cannot_be_confirmed(outsider: Outsider) -> None:
    """With its rung gone, a failed message is back in its queue after a pause, not lost."""
    consumer = Handle(failing(1), retry=Retry(immediately=0, after=("1s",)))
    async with shop(outsider.url, consumer) as service:
        await outsider.delete_exchange("shop.delay.1s")
        await ShopEvents(service).placed(Placed(number=1))
        await eventually(lambda: consumer.done == [1])
    assert [seen.redelivered for seen in consumer.seen] == [False, True]
    assert consumer.seen[1].at - consumer.seen[0].at >= SECOND
    assert await outsider.count(DEAD) == 0


@pytest.mark.reads_the_wire
async def test_the_copy_is_confirmed_before_the_original_is_acked(outsider: Outsider) -> None:
    """Cut between the copy's publish and its confirm, both are on the broker: nothing is lost."""
    consumer = Handle(failing(99), retry=Retry(immediately=0, after=("1m",)))
    async with (
        outsider.network() as network,
        shop(network.url, consumer, shutdown_grace="100ms"),
    ):
        network.lose_confirms("shop.delay.1m", QUEUE)
        await outsider.publish(b'{"number": 1}', routing_key=QUEUE, type="shop.placed")
        await eventually(is_delayed(outsider))
        network.cut_for_good()
        await outsider.settled(QUEUE, ready=1)
    assert len(consumer.seen) == 1
    assert await outsider.count("shop.delay.1m") >= 1


async def test_finished_work_is_not_done_again_when_its_ack_was_lost(outsider: Outsider) -> None:
    """A handler outlives its connection; what comes again waits for it, and is acknowledged."""
    gate = Gate()
    consumer = Handle(gate)
    async with outsider.network() as network, shop(network.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1), message_id="m-1")
        await gate.entered.acquire()
        network.cut()
        await ShopEvents(service).placed(Placed(number=2))
        await gate.entered.acquire()  # it consumes again, and has what comes again in hand
        gate.is_open.set()
        await eventually(lambda: len(consumer.done) == 2)
    assert sorted(consumer.done) == [1, 2]
    assert await outsider.count(QUEUE) == 0


def is_delayed(outsider: Outsider) -> Callable[[], Awaitable[bool]]:
    """Whether a copy has come into the rung."""

    async def look() -> bool:
        return await outsider.count("shop.delay.1m") > 0

    return look


async def test_a_command_that_nobody_takes_is_a_failure_of_its_handler(outsider: Outsider) -> None:
    """The message is not acked as if all were well: it goes the way of its policy."""
    consumer = Handle(sending, retry=Retry(immediately=0, after=()))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        letter = await outsider.take(DEAD)
    assert letter.headers[wire.ERROR_TYPE] == "toolkit.errors.UnroutableError"
    assert "shop.ship" in letter.headers[wire.ERROR_MESSAGE]


async def sending(message: Placed, context: Context) -> None:
    """Sends a command that has no consumer."""
    await context.send(Ship(number=message.number))


async def test_a_run_over_its_timeout_is_a_failure_like_any_other(outsider: Outsider) -> None:
    """The consumer's `timeout` ends the run and names it in the dead letter."""
    consumer = Handle(Gate(), timeout="50ms", retry=Retry(immediately=1, after=()))
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        letter = await outsider.take(DEAD)
    assert letter.headers[wire.ERROR_TYPE] == "toolkit.errors.HandlerTimeoutError"
    assert letter.headers[wire.ATTEMPTS] == 2


async def test_at_most_n_handlers_run_at_once(outsider: Outsider) -> None:
    """A hundred messages, three slots: three at a time, and never more."""
    consumer = Handle(concurrency=3, behaviour=yielding)
    async with shop(outsider.url, consumer) as service:
        await ShopEvents(service).placed.many(Placed(number=n) for n in range(100))
        await eventually(lambda: len(consumer.done) == 100)
    assert consumer.most_running == 3


async def yielding(_: Placed, __: Context) -> None:
    """Lets others run."""
    for _turn in range(5):
        await asyncio.sleep(0)
