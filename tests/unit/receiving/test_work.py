"""What was finished is known when it comes again, and what is under way is waited for."""

import asyncio

from tests.unit.clock import in_virtual_time, until_nothing_moves
from tests.unit.deliveries import delivery
from toolkit.messages import headers as wire
from toolkit.receiving.work import Key, Work, key_of


def key(message_id: str, attempts: int = 0) -> Key:
    found = key_of(delivery(message_id=message_id, headers={wire.ATTEMPTS: attempts}))
    assert found is not None
    return found


ONE, OTHER = key("m-1"), key("m-2")


def test_tries_of_a_message_are_told_apart() -> None:
    """By its id, and the attempts and replays behind it; what a stranger calls attempts is none."""
    assert key("m") == key_of(delivery(message_id="m"))
    assert key("m") == key_of(delivery(message_id="m", headers={wire.ATTEMPTS: ["x"]}))
    assert key("m", 3) != key("m")
    replayed = delivery(message_id="m", headers={wire.ATTEMPTS: 0, wire.REPLAY_COUNT: 1})
    assert key_of(replayed) != key("m")
    assert key_of(delivery(message_id=None)) is None


def test_messages_of_one_id_are_told_apart() -> None:
    """Strangers may give one to all of theirs."""
    assert key_of(delivery(b"one", message_id="1")) != key_of(delivery(b"two", message_id="1"))
    assert key_of(delivery(b"1" * 2000, message_id="1")) != key_of(
        delivery(b"1" * 2001, message_id="1")
    )


@in_virtual_time
async def test_finished_work_is_known_and_other_work_is_not() -> None:
    """Work that came to nothing is none."""
    work = Work(prefetch=5)
    work.begin(ONE)
    work.end(ONE, is_finished=True)
    work.begin(OTHER)
    work.end(OTHER, is_finished=False)
    assert await work.is_finished(ONE)
    assert not await work.is_finished(OTHER)
    assert not await work.is_finished(key("m-1", 1))


@in_virtual_time
async def test_a_run_under_way_is_waited_for() -> None:
    """By all that ask, and its end is their answer."""
    work = Work(prefetch=5)
    work.begin(ONE)
    asking = [asyncio.create_task(work.is_finished(ONE)) for _ in range(2)]
    await until_nothing_moves()
    assert not any(task.done() for task in asking)
    work.end(ONE, is_finished=True)
    assert await asyncio.gather(*asking) == [True, True]


@in_virtual_time
async def test_a_new_delivery_under_an_old_id_is_not_old_work() -> None:
    """A message may be sent again: once it is under way, its own end counts."""
    work = Work(prefetch=5)
    work.begin(ONE)
    work.end(ONE, is_finished=True)
    work.begin(ONE)
    work.end(ONE, is_finished=False)
    assert not await work.is_finished(ONE)


@in_virtual_time
async def test_no_more_is_remembered_than_can_be_in_doubt() -> None:
    """The latest: as many as the broker hands out unacknowledged, and at most twice that."""
    work = Work(prefetch=3)
    for number in range(10):
        work.begin(key(f"m-{number}"))
        work.end(key(f"m-{number}"), is_finished=True)
        known = [await work.is_finished(key(f"m-{past}")) for past in range(number + 1)]
        assert all(known[-3:])
        assert sum(known) <= 6


def test_what_this_process_survived_is_counted_until_it_is_finished() -> None:
    """Runs that came to nothing, and deliveries that were never begun."""
    work = Work(prefetch=3)
    work.survive(ONE)
    work.begin(ONE)
    work.end(ONE, is_finished=False)
    assert (work.survived(ONE), work.survived(OTHER)) == (2, 0)
    work.begin(ONE)
    work.end(ONE, is_finished=True)
    assert work.survived(ONE) == 0


def test_what_went_elsewhere_is_forgotten_in_time() -> None:
    """There is no end to the messages that others finish."""
    work = Work(prefetch=3)
    for number in range(1_000):
        work.survive(key(f"m-{number}"))
    assert sum(work.survived(key(f"m-{number}")) for number in range(1_000)) < 20
