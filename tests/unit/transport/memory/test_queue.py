"""The order of a queue, against a naive one, and what a queue promises whatever happens."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport.memory.broker import Bench
from toolkit.transport.memory import Fate
from toolkit.transport.memory.channel import TaggedDelivery
from toolkit.transport.memory.refusal import Refusal

STEPS = st.lists(
    st.one_of(
        st.just(("publish",)),
        st.just(("get",)),
        st.tuples(st.sampled_from(["ack", "return"]), st.integers(0, 9)),
    ),
    min_size=5,
    max_size=60,
)


class NaiveQueue:
    """A list of numbers, newest last, with what was returned before the rest."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.fresh: list[int] = []
        self.returned: list[int] = []

    def next(self) -> int | None:
        if self.kind == "classic":
            self.returned.sort()
        source = self.returned or self.fresh
        return source.pop(0) if source else None


@pytest.mark.parametrize("kind", ["quorum", "classic"])
@settings(max_examples=200)
@given(steps=STEPS)
def test_the_order_of_a_queue(kind: str, steps: list[tuple[Any, ...]]) -> None:
    """Returned before fresh; among those the order of return, or their old one."""
    bench, naive = Bench(), NaiveQueue(kind)
    limit: dict[str, Any] = {"delivery_limit": 100} if kind == "quorum" else {}
    bench.queue(kind=kind, **limit)
    held: list[tuple[int, TaggedDelivery]] = []
    published = 0
    for step in steps:
        if step[0] == "publish":
            bench.publish([str(published)])  # type: ignore[arg-type]
            naive.fresh.append(published)
            published += 1
        elif step[0] == "get":
            found, expected = bench.channel.get("q"), naive.next()
            assert (found and int(found.envelope.body)) == expected
            if found is not None and expected is not None:
                held.append((expected, found))
        elif held:
            number, delivery = held.pop(step[1] % len(held))
            if step[0] == "ack":
                bench.channel.ack(delivery.tag)
            else:
                bench.channel.nack(delivery.tag, requeue=True)
                naive.returned.append(number)


LIFE = st.lists(
    st.tuples(
        st.sampled_from(["publish", "get", "ack", "nack", "reject", "discard", "lose", "wait"]),
        st.integers(0, 9),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("kind", ["quorum", "classic"])
@settings(max_examples=200)
@given(steps=LIFE)
def test_no_message_is_lost_or_doubled(kind: str, steps: list[tuple[str, int]]) -> None:
    """Each is in one place: ready, out, dead-lettered, or settled; and settles exactly once."""
    bench = Bench()
    limit: dict[str, Any] = {"delivery_limit": 2} if kind == "quorum" else {}
    bench.queue("dead", kind=kind)
    bench.queue(
        kind=kind,
        message_ttl=30_000,
        dead_letter_exchange="",
        dead_letter_routing_key="dead",
        **limit,
    )
    held: list[TaggedDelivery] = []
    published, acked = Counter[str](), Counter[str]()
    for what, which in steps:
        match what:
            case "publish":
                body = str(published.total())
                bench.publish([body])  # type: ignore[arg-type]
                published[body] += 1
            case "get" if (found := bench.channel.get("q")) is not None:
                held.append(found)
            case "lose":
                bench.channel.close()
                bench.channel = type(bench.channel)(bench.broker)
                held.clear()
            case "wait":
                bench.wait(which)
            case "ack" | "nack" | "reject" | "discard" if held:
                delivery = held.pop(which % len(held))
                settle(bench, what, delivery.tag)
                if what == "ack":
                    acked[delivery.envelope.body.decode()] += 1
    bench.channel.close()
    bench.channel = type(bench.channel)(bench.broker)
    left = Counter(body for name in ("q", "dead") for body in bodies_in(bench, name))
    assert left + acked == published
    assert bench.broker.unacked == 0


def settle(bench: Bench, how: str, tag: int) -> None:
    """Once, and then a second time, which is refused."""
    channel = bench.channel
    match how:
        case "ack":
            channel.ack(tag)
        case "nack":
            channel.nack(tag, requeue=True)
        case "reject":
            channel.reject(tag, requeue=True)
        case _:
            channel.reject(tag, requeue=False)
    assert tag not in channel._unacked


def bodies_in(bench: Bench, queue: str) -> list[str]:
    found = []
    while (delivery := bench.channel.get(queue)) is not None:
        found.append(delivery.envelope.body.decode())
        bench.channel.ack(delivery.tag)
    return found


def test_settling_twice_is_refused_and_closes_the_channel() -> None:
    """As RabbitMQ does it; what else was out goes back."""
    bench = Bench()
    bench.queue()
    bench.publish("ab")
    first, _ = bench.get(), bench.get()
    bench.channel.ack(first.tag)
    with pytest.raises(Refusal, match="unknown delivery tag 1") as refused:
        bench.channel.ack(first.tag)
    assert refused.value.code == 406
    assert not bench.channel.is_open
    assert bench.ready() == 1


def test_multiple_settles_all_up_to_a_tag() -> None:
    """And 0 all there are."""
    bench = Bench()
    bench.queue()
    bench.publish("abcd")
    deliveries = [bench.get() for _ in range(4)]
    bench.channel.ack(deliveries[1].tag, multiple=True)
    assert bench.broker.unacked == 2
    bench.channel.nack(0, requeue=True, multiple=True)
    assert bench.drain() == "cd"


def test_a_consumer_may_do_anything_while_it_is_handed_a_message() -> None:
    """Ack, publish more, cancel itself: the queue goes on with what it finds."""
    bench = Bench()
    bench.queue()
    seen: list[str] = []

    def deliver(delivery: TaggedDelivery) -> None:
        seen.append(delivery.envelope.body.decode())
        bench.channel.ack(delivery.tag)
        if len(seen) < 3:
            bench.publish("m")
        else:
            bench.channel.cancel("c")
            bench.publish("z")

    bench.channel.consume("q", "c", deliver, prefetch=1)
    bench.publish("a")
    assert seen == ["a", "m", "m"]
    assert bench.drain() == "z"


def test_messages_of_a_deleted_queue_are_settled_in_vain() -> None:
    """No error, and nothing comes back."""
    bench = Bench()
    bench.queue()
    bench.publish("ab")
    held = bench.get()
    assert bench.broker.delete_queue("q") == 1
    bench.channel.nack(held.tag, requeue=True)
    bench.queue()
    assert bench.ready() == 0


def test_a_consumer_without_acks_has_everything_at_once() -> None:
    """Prefetch or not."""
    bench = Bench()
    bench.queue()
    bench.publish("abc")
    seen: list[bytes] = []
    bench.channel.consume(
        "q", "c", lambda d: seen.append(d.envelope.body), prefetch=1, acks_by_itself=True
    )
    assert seen == [b"a", b"b", b"c"]
    assert bench.broker.unacked == 0


def test_an_auto_delete_queue_goes_with_its_last_consumer() -> None:
    """Only classic ones can."""
    bench = Bench()
    bench.broker.declare_queue("q", is_auto_delete=True)
    bench.channel.consume("q", "c", lambda _: None)
    bench.channel.cancel("c")
    assert "q" not in bench.broker.queues


def test_publishers_of_a_full_quorum_queue_are_blocked_one_by_one() -> None:
    """One that comes while the queue is between 80 % and its limit may publish; others wait."""
    bench = Bench()
    bench.queue(max_length=5, overflow="reject-publish")
    assert bench.publish("abcdef") == [Fate.CONFIRMED] * 6
    bench.channel.ack(bench.get().tag)
    assert bench.publish("g") == [Fate.REFUSED]
    blocked, bench.channel = bench.channel, type(bench.channel)(bench.broker)
    assert bench.publish("h") == [Fate.CONFIRMED]
    assert bench.publish("i") == [Fate.REFUSED]
    for _ in range(2):
        bench.channel.ack(bench.get().tag)
    bench.channel = blocked
    assert bench.publish("j") == [Fate.CONFIRMED]
