"""What queues do with their messages, on every broker. Where versions differ, the case says so."""

import pytest

from tests.conformance.brokers.case import (
    dead_letters,
    drain,
    exists,
    has,
    hold,
    one,
    order,
    publish_all,
)
from tests.conformance.brokers.driver import Inbox, RawBroker

KINDS = ("quorum", "classic")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Both types of queue."""
    return str(request.param)


async def received(raw: RawBroker, inbox: Inbox, bodies: str) -> None:
    """Asserts that a consumer has been handed exactly these."""

    async def look() -> str:
        return "".join(inbox.bodies)

    assert await raw.eventually(look, bodies) == bodies


# ------------------------------------------------------------------------------ order


async def test_returned_messages_come_first(raw: RawBroker, kind: str) -> None:
    """In the order of their return from a quorum queue, in their old one from a classic one."""
    limit = {"delivery_limit": 10} if kind == "quorum" else {}
    await raw.queue("q", queue_type=kind, **limit)
    await publish_all(raw, "q", "abcde")
    a, b, c = await hold(raw, "q", 3)
    await raw.nack(c.tag)
    await raw.reject(a.tag)
    await raw.nack(b.tag)
    await has(raw, q=5)
    assert await order(raw, "q") == ("cabde" if kind == "quorum" else "abcde")


async def test_without_a_delivery_limit_a_quorum_queue_returns_to_the_back(raw: RawBroker) -> None:
    """Before 4.0 that is every queue that sets none. From 4.3 on a reject comes first again."""
    limit = {"delivery_limit": -1} if raw.version >= (4, 0) else {}
    await raw.queue("q", queue_type="quorum", **limit)
    await publish_all(raw, "q", "abcd")
    a, b = await hold(raw, "q", 2)
    await raw.nack(b.tag)
    await raw.reject(a.tag)
    await has(raw, q=4)
    assert await order(raw, "q") == ("acdb" if raw.version >= (4, 3) else "cdba")


async def test_a_lost_channel_returns_to_the_front(raw: RawBroker, kind: str) -> None:
    """In the old order, with and without a limit."""
    await raw.queue("q", queue_type=kind)
    await publish_all(raw, "q", "abcd")
    inbox = await raw.consume("q", prefetch=3)
    await received(raw, inbox, "abc")
    await raw.new_channel()
    await has(raw, q=4)
    assert await order(raw, "q") == "abcd"


async def test_priorities_of_a_classic_queue(raw: RawBroker) -> None:
    """The highest first, none is 0, and what is over the maximum counts as it."""
    await raw.queue("q", queue_type="classic", max_priority=5)
    for body, priority in zip("abcdef", (None, 1, 5, 9, 4, 0), strict=True):
        await raw.publish("", "q", body, priority=priority)
    first, second = await hold(raw, "q", 2)
    await raw.nack(second.tag)
    await raw.nack(first.tag)
    await has(raw, q=6)
    assert await order(raw, "q") == "cdebaf"


async def test_priorities_of_a_quorum_queue(raw: RawBroker) -> None:
    """None before 4.0, two high ones in turn with one other until 4.2, then 32 strict levels."""
    await raw.queue("q", queue_type="quorum")
    for body, priority in zip("abcdefghij", (None, 1, 5, 9, 5, 4, 6, 0, 255, 7), strict=True):
        await raw.publish("", "q", body, priority=priority)
    if raw.version < (4, 0):
        expected = "abcdefghij"
    elif raw.version < (4, 3):
        expected = "cdaegbijfh"
    else:
        expected = "idjgceafbh"
    assert await order(raw, "q") == expected


# ------------------------------------------------------------------------------ counting


async def test_delivery_counts(raw: RawBroker) -> None:
    """Each return counts; before 3.12 the answer to a get says so even when it is 0."""
    await raw.queue("q", queue_type="quorum", delivery_limit=10)
    await publish_all(raw, "q", "a")
    seen = await one(raw, "q")
    assert not seen.is_redelivered
    assert seen.count == (0 if raw.version < (3, 12) else None)
    await raw.nack(seen.tag)
    seen = await one(raw, "q")
    assert seen.is_redelivered
    assert seen.headers.get("x-acquired-count") == (1 if raw.version >= (4, 3) else None)
    assert seen.count == (None if raw.version >= (4, 3) else 1)
    await raw.reject(seen.tag)
    seen = await one(raw, "q")
    assert seen.count == (1 if raw.version >= (4, 3) else 2)
    await raw.new_channel()
    seen = await one(raw, "q")
    assert seen.count == (2 if raw.version >= (4, 3) else 3)


async def test_a_delivery_to_a_consumer_says_nothing_the_first_time(raw: RawBroker) -> None:
    """Unlike the answer to a get, also before 3.12."""
    await raw.queue("q", queue_type="quorum", delivery_limit=10)
    inbox = await raw.consume("q", prefetch=1)
    await publish_all(raw, "q", "a")
    await received(raw, inbox, "a")
    await raw.reject(inbox.seen[0].tag)
    await received(raw, inbox, "aa")
    assert [seen.count for seen in inbox.seen] == [None, 1]
    assert [seen.is_redelivered for seen in inbox.seen] == [False, True]


async def test_a_classic_queue_counts_nothing(raw: RawBroker) -> None:
    """It only knows that a message was out."""
    await raw.queue("q", queue_type="classic")
    await publish_all(raw, "q", "a")
    await raw.nack((await one(raw, "q")).tag)
    seen = await one(raw, "q")
    assert seen.is_redelivered
    assert seen.headers == {}


async def test_past_its_delivery_limit_a_message_is_dead_lettered(raw: RawBroker) -> None:
    """A limit of 2 allows three deliveries."""
    await dead_letters(raw, "q", "dead", delivery_limit=2)
    await publish_all(raw, "q", "a")
    for _ in range(3):
        await raw.reject((await one(raw, "q")).tag)
    await has(raw, q=0, dead=1)
    (letter,) = await drain(raw, "dead")
    assert letter.headers["x-first-death-reason"] == "delivery_limit"


@pytest.mark.parametrize("limit", [None, -1])
async def test_no_delivery_limit(raw: RawBroker, limit: int | None) -> None:
    """Unset is 20 from 4.0 on; -1 is none from 4.0 on, and before it is "at once"."""
    arguments = {} if limit is None else {"delivery_limit": limit}
    await raw.queue("q", queue_type="quorum", **arguments)
    await publish_all(raw, "q", "a")
    deliveries = 0
    while deliveries < 25 and await raw.eventually(lambda: raw.count("q"), 1, within=1):
        await raw.reject((await one(raw, "q")).tag)
        deliveries += 1
    if raw.version < (4, 0):
        assert deliveries == (25 if limit is None else 1)
    else:
        assert deliveries == (21 if limit is None else 25)


async def test_a_rejected_message_brings_its_failure_along(raw: RawBroker) -> None:
    """From 4.0 on it arrives in a quorum queue as if it had been delivered there before."""
    await dead_letters(raw, "q", "dead")
    await publish_all(raw, "q", "a")
    await raw.reject((await one(raw, "q")).tag, requeue=False)
    letter = await one(raw, "dead")
    assert letter.is_redelivered is (raw.version >= (4, 0))
    assert letter.count == (1 if raw.version >= (4, 0) else 0)


# ------------------------------------------------------------------------------ dead letters


async def test_what_a_rejected_message_carries(raw: RawBroker, kind: str) -> None:
    """Its history, its keys, the time that it had, and nothing that could expire again."""
    await dead_letters(raw, "q", "dead", kind=kind)
    await raw.publish("", "q", headers={"CC": ["none"], "mine": 1}, expiration="60000")
    await raw.reject((await one(raw, "q")).tag, requeue=False)
    letter = await one(raw, "dead")
    (death,) = letter.headers["x-death"]
    del death["time"]
    assert death == {
        "count": 1,
        "reason": "rejected",
        "queue": "q",
        "exchange": "",
        "routing-keys": ["q", "none"],
        "original-expiration": "60000",
    }
    assert letter.expiration is None
    assert letter.routing_key == "dead"
    names = {"mine", "x-death"} | {f"x-first-death-{w}" for w in ("reason", "queue", "exchange")}
    if raw.version >= (4, 0):
        names |= {"CC"} | {f"x-last-death-{w}" for w in ("reason", "queue", "exchange")}
    counts = {"x-delivery-count", "x-acquired-count"}
    assert set(letter.headers) - counts == names


async def test_a_second_death_counts_on(raw: RawBroker, kind: str) -> None:
    """One entry for each queue and reason, the latest first; the first death stays the first.

    From 4.0 on the last one has headers, too.
    """
    await raw.queue("q", queue_type=kind, dead_letter_exchange="", dead_letter_routing_key="wait")
    await raw.queue(
        "wait",
        queue_type=kind,
        message_ttl=30,
        dead_letter_exchange="",
        dead_letter_routing_key="q",
    )
    await publish_all(raw, "q", "a")
    for _ in range(2):
        await raw.reject((await one(raw, "q")).tag, requeue=False)
        await raw.wait(60)
    letter = await one(raw, "q")
    history = [(d["queue"], d["reason"], d["count"]) for d in letter.headers["x-death"]]
    assert history == [("wait", "expired", 2), ("q", "rejected", 2)]
    assert letter.headers["x-first-death-queue"] == "q"
    assert letter.headers.get("x-last-death-queue") == ("wait" if raw.version >= (4, 0) else None)


async def test_a_cycle_without_a_reject_loses_the_message(raw: RawBroker, kind: str) -> None:
    """What expires into a queue that leads back to where it expired is dropped."""
    for here, there, ttl in (("a", "b", 50), ("b", "a", 600)):
        await raw.queue(
            here,
            queue_type=kind,
            message_ttl=ttl,
            dead_letter_exchange="",
            dead_letter_routing_key=there,
        )
    await publish_all(raw, "a", "m")
    await raw.wait(100)
    await has(raw, a=0, b=1)
    await raw.wait(600)
    await has(raw, a=0, b=0)


async def test_a_history_from_a_client(raw: RawBroker) -> None:
    """Before 4.0 it counts: a copy with an old `x-death` is dropped as a cycle."""
    await dead_letters(raw, "q", "dead", kind="classic", message_ttl=20)
    history = [{"queue": "dead", "reason": "expired", "count": 1, "exchange": ""}]
    await raw.publish("", "q", headers={"x-death": history})
    await raw.wait(40)
    await has(raw, q=0, dead=1 if raw.version >= (4, 0) else 0)


async def test_a_dead_letter_keeps_its_keys_where_none_is_set(raw: RawBroker, kind: str) -> None:
    """CC and BCC included."""
    await raw.exchange("x", "direct")
    await raw.queue("q", queue_type=kind, dead_letter_exchange="x")
    for name in ("one", "two", "three"):
        await raw.queue(name, queue_type="classic")
    await raw.bind("x", "one", "q")
    await raw.bind("x", "two", "cc")
    await raw.bind("x", "three", "bcc")
    await raw.publish("", "q", headers={"CC": ["cc"], "BCC": ["bcc"]})
    await raw.reject((await one(raw, "q")).tag, requeue=False)
    await has(raw, one=1, two=1, three=1)
    letter = await one(raw, "two")
    assert letter.headers["x-death"][0]["routing-keys"] == ["q", "cc"]


async def test_without_a_dead_letter_exchange_a_rejected_message_is_gone(
    raw: RawBroker, kind: str
) -> None:
    """As it is where the exchange doesn't exist."""
    await raw.queue("q", queue_type=kind)
    await raw.queue("p", queue_type=kind, dead_letter_exchange="none")
    await publish_all(raw, "q", "a")
    await publish_all(raw, "p", "a")
    for name in ("q", "p"):
        await raw.reject((await one(raw, name)).tag, requeue=False)
    await has(raw, q=0, p=0)


async def test_at_least_once_delivers_in_order(raw: RawBroker) -> None:
    """Through the worker of the queue."""
    await dead_letters(
        raw,
        "q",
        "dead",
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
        message_ttl=50,
    )
    await publish_all(raw, "q", "abc")
    await raw.wait(80)
    await has(raw, q=0, dead=3)
    assert await order(raw, "dead") == "abc"


async def test_at_least_once_keeps_what_it_can_not_deliver(raw: RawBroker) -> None:
    """And it counts towards the limit of the queue that it died in."""
    await raw.queue(
        "q",
        queue_type="quorum",
        dead_letter_exchange="nowhere yet",
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
        max_length=1,
    )
    await publish_all(raw, "q", "ab")
    for _ in range(2):
        await raw.reject((await one(raw, "q")).tag, requeue=False)
    await has(raw, q=0)
    assert await raw.publish("", "q", "c") == "refused"


# ------------------------------------------------------------------------------ time


async def test_a_queues_time_to_live(raw: RawBroker, kind: str) -> None:
    """Counted from when a message came into this queue."""
    await dead_letters(raw, "q", "dead", kind=kind, message_ttl=120)
    await publish_all(raw, "q", "a")
    await raw.wait(60)
    await publish_all(raw, "q", "b")
    await raw.wait(90)
    await has(raw, q=1, dead=1)
    await raw.wait(60)
    await has(raw, q=0, dead=2)


async def test_a_message_waits_behind_one_that_lives_longer(raw: RawBroker, kind: str) -> None:
    """Only the head of a queue expires."""
    await raw.queue("q", queue_type=kind)
    await raw.publish("", "q", "a", expiration="250")
    await raw.publish("", "q", "b", expiration="50")
    await raw.publish("", "q", "c")
    await raw.wait(120)
    await has(raw, q=3)
    await raw.wait(200)
    await has(raw, q=1)


async def test_a_returned_message_keeps_its_deadline(raw: RawBroker, kind: str) -> None:
    """In somebody's hands it doesn't expire; once back it does, with its old time."""
    await raw.queue("q", queue_type=kind, message_ttl=400)
    await publish_all(raw, "q", "a")
    held = await one(raw, "q")
    await raw.wait(150)
    await raw.nack(held.tag)
    await has(raw, q=1)
    await raw.wait(300)
    await has(raw, q=0)
    await publish_all(raw, "q", "b")
    held = await one(raw, "q")
    await raw.wait(450)
    await raw.nack(held.tag)
    await has(raw, q=0)


async def test_the_shorter_time_counts(raw: RawBroker, kind: str) -> None:
    """The queue's or the message's."""
    await raw.queue("q", queue_type=kind, message_ttl=60)
    await raw.publish("", "q", "a", expiration="60000")
    await raw.wait(100)
    await has(raw, q=0)
    await raw.publish("", "q", "b", expiration="1")
    await raw.wait(30)
    await has(raw, q=0)


async def test_no_time_at_all_means_now_or_never(raw: RawBroker, kind: str) -> None:
    """Delivered if somebody waits for it, else dead."""
    await raw.queue("q", queue_type=kind, message_ttl=0)
    await publish_all(raw, "q", "a")
    await raw.wait(20)
    await has(raw, q=0)
    inbox = await raw.consume("q")
    await publish_all(raw, "q", "b")
    await received(raw, inbox, "b")


async def test_a_queue_expires_when_it_is_unused(raw: RawBroker, kind: str) -> None:
    """Publishing is no use, asking for a message is, and having a consumer.

    A real quorum queue looks at it every five seconds only.
    """
    await raw.queue("q", queue_type=kind, expires=800)
    await raw.queue("watched", queue_type=kind, expires=800)
    inbox = await raw.consume("watched")
    await raw.wait(500)
    await raw.get("q")
    await raw.wait(500)
    assert await raw.publish("", "q") == "confirmed"
    await raw.wait(800)
    assert await raw.publish("", "watched") == "confirmed"
    await received(raw, inbox, "m")

    async def look() -> bool:
        return await exists(raw, "q")

    assert await raw.eventually(look, expected=False, within=10) is False


# ------------------------------------------------------------------------------ length


async def test_a_full_queue_drops_its_head(raw: RawBroker, kind: str) -> None:
    """What is dropped is dead-lettered."""
    await dead_letters(raw, "q", "dead", kind=kind, max_length=2)
    await publish_all(raw, "q", "abcd")
    await has(raw, q=2, dead=2)
    assert await order(raw, "q") == "cd"
    letters = await drain(raw, "dead")
    assert [letter.body for letter in letters] == ["a", "b"]
    assert letters[0].headers["x-first-death-reason"] == "maxlen"


async def test_what_is_out_does_not_count(raw: RawBroker, kind: str) -> None:
    """Only what is ready; so a return may be one too many."""
    limit = {"delivery_limit": 10} if kind == "quorum" else {}
    await raw.queue("q", queue_type=kind, max_length=2, **limit)
    await publish_all(raw, "q", "ab")
    a, _ = await hold(raw, "q", 2)
    await publish_all(raw, "q", "cd")
    await has(raw, q=2)
    await raw.nack(a.tag)
    await has(raw, q=2)
    assert await order(raw, "q") == "cd"


async def test_a_limit_in_bytes(raw: RawBroker, kind: str) -> None:
    """Bodies only."""
    await raw.queue("q", queue_type=kind, max_length_bytes=10)
    for body in ("aaaa", "bbbb", "cccc", "d"):
        await raw.publish("", "q", body, headers={"long": "x" * 100})
    await has(raw, q=3)
    assert [seen.body for seen in await drain(raw, "q")] == ["bbbb", "cccc", "d"]


async def test_a_full_classic_queue_refuses(raw: RawBroker) -> None:
    """Exactly at its limit, and takes again as soon as there is room."""
    await raw.queue("q", queue_type="classic", max_length=3, overflow="reject-publish")
    fates = [await raw.publish("", "q") for _ in range(5)]
    assert fates == ["confirmed"] * 3 + ["refused"] * 2
    await raw.ack((await one(raw, "q")).tag)
    assert await raw.publish("", "q") == "confirmed"


async def test_a_full_quorum_queue_refuses(raw: RawBroker) -> None:
    """One message late, and until it is at 80 % of its limit."""
    await raw.queue("q", queue_type="quorum", max_length=5, overflow="reject-publish")
    fates = [await raw.publish("", "q") for _ in range(8)]
    assert fates == ["confirmed"] * 6 + ["refused"] * 2
    await raw.ack((await one(raw, "q")).tag)
    await has(raw, q=5)
    assert await raw.publish("", "q") == "refused"
    await raw.ack((await one(raw, "q")).tag)
    await has(raw, q=4)

    async def look() -> str:
        return await raw.publish("", "q")

    assert await raw.eventually(look, "confirmed") == "confirmed"


async def test_a_full_queue_and_another(raw: RawBroker) -> None:
    """One that refuses makes it a refusal, though the other has taken it."""
    await raw.exchange("x", "fanout")
    await raw.queue("full", queue_type="classic", max_length=0, overflow="reject-publish")
    await raw.queue("empty", queue_type="classic")
    await raw.bind("x", "full")
    await raw.bind("x", "empty")
    assert await raw.publish("x", "") == "refused"
    await has(raw, full=0, empty=1)


async def test_reject_publish_dlx(raw: RawBroker) -> None:
    """A classic queue can refuse a message and dead-letter it, both."""
    await dead_letters(
        raw, "q", "dead", kind="classic", max_length=1, overflow="reject-publish-dlx"
    )
    await publish_all(raw, "q", "a")
    assert await raw.publish("", "q", "b") == "refused"
    await has(raw, q=1, dead=1)


# ------------------------------------------------------------------------------ consumers


async def test_no_more_than_the_prefetch_are_out(raw: RawBroker, kind: str) -> None:
    """The next comes with an ack."""
    await raw.queue("q", queue_type=kind)
    await publish_all(raw, "q", "abcd")
    inbox = await raw.consume("q", prefetch=2)
    await received(raw, inbox, "ab")
    await has(raw, q=2)
    await raw.ack(inbox.seen[1].tag)
    await received(raw, inbox, "abc")
    await has(raw, q=1)


async def test_before_4_0_a_delivery_limit_lets_one_more_out(raw: RawBroker) -> None:
    """A bug of theirs: each message past its limit widens its consumer's prefetch by one."""
    await raw.queue("q", queue_type="quorum", delivery_limit=0)
    inbox = await raw.consume("q", prefetch=1)
    await publish_all(raw, "q", "a")
    await received(raw, inbox, "a")
    await raw.reject(inbox.seen[0].tag)
    await has(raw, q=0)
    await publish_all(raw, "q", "bcd")
    await received(raw, inbox, "abc" if raw.version < (4, 0) else "ab")


async def test_consumers_are_served_in_turn(raw: RawBroker, kind: str) -> None:
    """One message each."""
    await raw.queue("q", queue_type=kind)
    inboxes = [await raw.consume("q", prefetch=10) for _ in range(3)]
    await publish_all(raw, "q", "abcdefg")
    for inbox, bodies in zip(inboxes, ("adg", "be", "cf"), strict=True):
        await received(raw, inbox, bodies)


async def test_who_has_no_room_is_passed_over(raw: RawBroker, kind: str) -> None:
    """And is at the end of the line once it has."""
    await raw.queue("q", queue_type=kind)
    narrow = await raw.consume("q", prefetch=1)
    wide = await raw.consume("q", prefetch=10)
    await publish_all(raw, "q", "abcd")
    await received(raw, narrow, "a")
    await received(raw, wide, "bcd")
    await raw.ack(narrow.seen[0].tag)
    await publish_all(raw, "q", "e")
    await received(raw, wide, "bcde")
    await publish_all(raw, "q", "f")
    await received(raw, narrow, "af")


async def test_a_cancelled_consumer_keeps_what_it_has(raw: RawBroker, kind: str) -> None:
    """It gets nothing more, and settles what is out."""
    await raw.queue("q", queue_type=kind, **({"delivery_limit": 9} if kind == "quorum" else {}))
    inbox = await raw.consume("q", prefetch=1)
    await publish_all(raw, "q", "ab")
    await received(raw, inbox, "a")
    await raw.cancel(inbox)
    await has(raw, q=1)
    await raw.nack(inbox.seen[0].tag)
    await has(raw, q=2)
    assert await order(raw, "q") == "ab"


async def test_only_one_consumer_is_active(raw: RawBroker, kind: str) -> None:
    """The next one is, once the first has gone, whatever that still holds.

    With messages waiting at that moment a classic queue of 3.10 crashes, and loses what is not on
    disk; that is not for us to imitate.
    """
    waiting = "" if kind == "classic" and raw.version < (4, 0) else "cd"
    await raw.queue("q", queue_type=kind, single_active_consumer=True)
    first = await raw.consume("q", prefetch=2)
    second = await raw.consume("q", prefetch=5)
    await publish_all(raw, "q", "ab" + waiting)
    await received(raw, first, "ab")
    await has(raw, q=len(waiting))
    await raw.cancel(first)
    await received(raw, second, waiting)
    await raw.ack(first.seen[0].tag)
    await publish_all(raw, "q", "e")
    await received(raw, second, waiting + "e")


async def test_purging_leaves_what_is_out(raw: RawBroker, kind: str) -> None:
    """And dead-letters nothing."""
    await dead_letters(raw, "q", "dead", kind=kind)
    await publish_all(raw, "q", "abc")
    held = await one(raw, "q")
    await raw.purge("q")
    await has(raw, q=0, dead=0)
    await raw.nack(held.tag)
    await has(raw, q=1)
