"""How often a message was out, as each version counts it."""

from typing import Any

import pytest

from tests.unit.transport.memory.broker import Bench
from toolkit.topology.declarations import Version

Counts = dict[str, int]


def counts(bench: Bench) -> Counts:
    """The broker's headers of the next delivery, which is rejected again."""
    delivery = bench.get()
    bench.channel.reject(delivery.tag, requeue=True)
    return delivery.envelope.headers


@pytest.mark.parametrize(
    ("version", "first", "second"),
    [
        ((3, 10), {"x-delivery-count": 0}, {"x-delivery-count": 1}),
        ((3, 13), {}, {"x-delivery-count": 1}),
        ((4, 0), {}, {"x-delivery-count": 1}),
        ((4, 3), {}, {"x-acquired-count": 1, "x-delivery-count": 1}),
    ],
)
def test_what_a_quorum_queue_says(version: Version, first: Counts, second: Counts) -> None:
    """In the answer to a get."""
    bench = Bench(version)
    bench.queue(delivery_limit=10)
    bench.publish()
    assert counts(bench) == first
    assert counts(bench) == second


def test_from_4_3_on_a_voluntary_return_is_no_failure() -> None:
    """It is acquired more often than it failed, and never past its limit."""
    bench = Bench((4, 3))
    bench.queue(delivery_limit=2)
    bench.publish()
    for _ in range(30):
        bench.channel.nack(bench.get().tag, requeue=True)
    assert counts(bench) == {"x-acquired-count": 30}
    assert counts(bench) == {"x-acquired-count": 31, "x-delivery-count": 1}


@pytest.mark.parametrize("version", [(3, 10), (4, 0), (4, 3)])
@pytest.mark.parametrize("limit", [0, 1, 5])
def test_a_limit_allows_one_delivery_more(version: Version, limit: int) -> None:
    """The first one isn't a return."""
    bench = Bench(version)
    bench.queue("dead")
    bench.queue(delivery_limit=limit, dead_letter_exchange="", dead_letter_routing_key="dead")
    bench.publish()
    deliveries = 0
    while bench.ready():
        bench.channel.reject(bench.get().tag, requeue=True)
        deliveries += 1
    assert deliveries == limit + 1
    assert bench.ready("dead") == 1


@pytest.mark.parametrize(
    ("version", "limit", "how", "expected"),
    [
        ((3, 10), None, "nack", "bcda"),
        ((3, 10), 9, "nack", "abcd"),
        ((4, 0), None, "nack", "abcd"),
        ((4, 0), -1, "nack", "bcda"),
        ((4, 0), -1, "reject", "bcda"),
        ((4, 0), -1, "lose", "abcd"),
        ((4, 3), -1, "nack", "bcda"),
        ((4, 3), -1, "reject", "abcd"),
    ],
)
def test_where_a_message_returns_to(
    version: Version, limit: int | None, how: str, expected: str
) -> None:
    """To the front where the queue has a limit, or the channel was lost; else to the back."""
    bench = Bench(version)
    arguments: dict[str, Any] = {} if limit is None else {"delivery_limit": limit}
    bench.queue(**arguments)
    bench.publish("abcd")
    tag = bench.get().tag
    match how:
        case "nack":
            bench.channel.nack(tag, requeue=True)
        case "reject":
            bench.channel.reject(tag, requeue=True)
        case _:
            bench.channel.close()
            bench.channel = type(bench.channel)(bench.broker)
    assert bench.drain() == expected


@pytest.mark.parametrize(("version", "count"), [((3, 10), 0), ((4, 0), 1), ((4, 3), 1)])
def test_a_failure_travels_to_the_next_quorum_queue(version: Version, count: int) -> None:
    """From 4.0 on, also by way of a classic one; there it is on nobody's mind."""
    bench = Bench(version)
    bench.queue("last")
    bench.queue("classic", kind="classic", dead_letter_exchange="", dead_letter_routing_key="last")
    bench.queue(dead_letter_exchange="", dead_letter_routing_key="classic")
    bench.publish()
    bench.channel.reject(bench.get().tag, requeue=False)
    by_the_way = bench.get("classic")
    assert not by_the_way.is_redelivered
    bench.channel.reject(by_the_way.tag, requeue=False)
    letter = bench.get("last")
    assert letter.envelope.headers.get("x-delivery-count", 0) == count
    assert letter.is_redelivered is bool(count)
