"""The two ways to a dead-letter exchange, and what is written on the way."""

import pytest

from tests.unit.transport.memory.broker import Bench
from toolkit.topology.declarations import Version
from toolkit.transport.memory import Fate

SURE = {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"}
TO_DEAD = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead"}


def kill(bench: Bench, bodies: str) -> None:
    """Publishes and rejects."""
    for body in bodies:
        bench.publish(body)
        bench.channel.reject(bench.get().tag, requeue=False)


def test_at_most_once_loses_what_nobody_takes() -> None:
    """It is published once."""
    bench = Bench()
    bench.queue(**TO_DEAD)
    kill(bench, "a")
    bench.queue("dead")
    bench.wait(1000)
    assert bench.ready("dead") == 0


def test_at_least_once_tries_again_every_three_minutes() -> None:
    """Until its queue is there."""
    bench = Bench()
    bench.queue(**TO_DEAD, **SURE)
    kill(bench, "ab")
    assert bench.broker.queue("q").total == 2
    bench.wait(170)
    bench.queue("dead")
    assert bench.ready("dead") == 0
    bench.wait(10)
    assert bench.drain("dead") == "ab"
    assert bench.broker.queue("q").total == 0


def test_at_least_once_has_a_window_of_32() -> None:
    """While 32 are stuck, what could be delivered waits behind them."""
    bench = Bench()
    bench.broker.declare_exchange("x", "direct")
    bench.queue("dead")
    bench.queue(dead_letter_exchange="x", **SURE)
    kill(bench, "a" * 32)
    bench.bind("x", "dead", "q")
    kill(bench, "b")
    assert bench.ready("dead") == 0
    bench.wait(180)
    assert bench.drain("dead") == "a" * 32 + "b"


def test_at_least_once_waits_for_a_queue_that_refuses() -> None:
    """And does not deliver again to one that has taken it."""
    bench = Bench()
    bench.broker.declare_exchange("x", "fanout")
    bench.queue("full", kind="classic", max_length=0, overflow="reject-publish")
    bench.queue("dead")
    bench.bind("x", "full")
    bench.bind("x", "dead")
    bench.queue(dead_letter_exchange="x", **SURE)
    kill(bench, "a")
    assert bench.broker.queue("q").total == 1
    bench.wait(400)
    assert bench.ready("dead") == 1
    assert bench.broker.queue("q").total == 1


def test_drop_head_downgrades_to_at_most_once() -> None:
    """Silently, as RabbitMQ does."""
    bench = Bench()
    bench.queue(**TO_DEAD, dead_letter_strategy="at-least-once")
    assert not bench.broker.queue("q").settings.dead_letters_at_least_once


def test_a_cycle_stays_stuck_where_nothing_may_be_lost() -> None:
    """At least once means that it isn't dropped."""
    bench = Bench()
    bench.queue("a", message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="b")
    bench.queue("b", message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="a", **SURE)
    bench.publish(queue="a")
    bench.wait(2.5)
    assert bench.ready("a") == bench.ready("b") == 0
    assert bench.broker.queue("b").total == 1


@pytest.mark.parametrize("version", [(3, 10), (4, 0)])
def test_a_rejected_message_may_go_round_for_ever(version: Version) -> None:
    """A client's reject makes the cycle its own affair; the entries count up."""
    bench = Bench(version)
    bench.queue("wait", message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="q")
    bench.queue(dead_letter_exchange="", dead_letter_routing_key="wait")
    bench.publish()
    for _ in range(5):
        bench.channel.reject(bench.get().tag, requeue=False)
        bench.wait(1)
    history = bench.get().envelope.headers["x-death"]
    assert [(death["queue"], death["count"]) for death in history] == [("wait", 5), ("q", 5)]


def test_from_4_0_on_a_clients_history_is_overwritten() -> None:
    """The broker knows better."""
    bench = Bench()
    bench.queue("dead")
    bench.queue(**TO_DEAD)
    bench.publish(headers={"x-death": [{"queue": "dead", "reason": "expired", "count": 7}]})
    bench.channel.reject(bench.get().tag, requeue=False)
    (death,) = bench.get("dead").envelope.headers["x-death"]
    assert (death["queue"], death["count"]) == ("q", 1)


@pytest.mark.parametrize("history", ["nonsense", ["nonsense"], [{"queue": 5}], 7, []])
def test_before_4_0_a_history_may_be_nonsense(history: object) -> None:
    """It is replaced or kept behind, and hurts nobody."""
    bench = Bench((3, 10))
    bench.queue("dead")
    bench.queue(**TO_DEAD, message_ttl=1000)
    bench.publish(headers={"x-death": history})
    bench.wait(1)
    assert bench.get("dead").envelope.headers["x-death"][0]["queue"] == "q"


def test_a_message_can_die_into_its_own_queue() -> None:
    """Rejected by a client it comes again; dropped for want of room it is gone."""
    bench = Bench()
    bench.queue(dead_letter_exchange="", dead_letter_routing_key="q", max_length=2)
    kill(bench, "a")
    assert bench.ready() == 1
    assert bench.publish("bcd") == [Fate.CONFIRMED] * 3
    assert bench.drain() == "cd"
