"""Deadlines of messages and queues, to the microsecond."""

from datetime import timedelta

import pytest

from tests.unit.transport.memory.broker import Bench
from toolkit.transport.memory import Fate

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_a_message_expires_at_its_moment(kind: str) -> None:
    """Counted from its arrival in this queue, not a microsecond before."""
    bench = Bench()
    bench.queue(kind=kind, message_ttl=1000)
    bench.wait(5)
    bench.publish()
    bench.clock.jump(timedelta(seconds=1) - MOMENT)
    assert bench.ready() == 1
    bench.clock.jump(MOMENT)
    assert bench.ready() == 0


def test_a_dead_letter_has_the_time_of_its_new_queue() -> None:
    """Counted from when it came there."""
    bench = Bench()
    bench.queue("second", message_ttl=1000)
    bench.queue(message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="second")
    bench.publish()
    bench.wait(1.5)
    assert bench.ready("second") == 1
    bench.wait(0.499)
    assert bench.ready("second") == 1
    bench.wait(0.001)
    assert bench.ready("second") == 0


def test_a_return_changes_no_deadline() -> None:
    """However often."""
    bench = Bench()
    bench.queue(message_ttl=1000)
    bench.publish()
    for _ in range(9):
        bench.wait(0.1)
        bench.channel.nack(bench.get().tag, requeue=True)
    assert bench.ready() == 1
    bench.wait(0.1)
    assert bench.ready() == 0


def test_what_is_out_does_not_expire() -> None:
    """It does on its return."""
    bench = Bench()
    bench.queue(message_ttl=1000)
    bench.publish()
    held = bench.get()
    bench.wait(10)
    assert bench.broker.unacked == 1
    bench.channel.nack(held.tag, requeue=True)
    assert bench.ready() == 0


def test_there_is_one_timer_for_a_queue_at_most() -> None:
    """A thousand messages are watched by their head."""
    bench = Bench()
    bench.queue(message_ttl=1000)
    for _ in range(1000):
        bench.publish()
        bench.wait(0.0001)
    assert len(bench.clock._deadlines) == 1
    bench.wait(2)
    assert bench.ready() == 0


def test_a_queue_without_deadlines_sets_no_timer() -> None:
    """An idle broker waits for nothing."""
    bench = Bench()
    bench.queue()
    bench.publish("abc")
    assert bench.clock.next_due is None
    assert bench.broker.next_due is None


def test_an_unused_queue_goes_with_its_messages() -> None:
    """Nothing is dead-lettered; a new declaration would have been use."""
    bench = Bench()
    bench.queue("dead")
    bench.queue(expires=1000, dead_letter_exchange="", dead_letter_routing_key="dead")
    bench.wait(0.9)
    bench.queue(expires=1000, dead_letter_exchange="", dead_letter_routing_key="dead")
    bench.publish()
    bench.wait(0.9)
    assert bench.ready() == 1
    bench.wait(0.1)
    assert bench.publish() == [Fate.RETURNED]
    assert bench.ready("dead") == 0


def test_a_message_that_never_expires_holds_up_those_that_would() -> None:
    """Until it is taken away from the head."""
    bench = Bench()
    bench.queue()
    bench.publish("a")
    bench.publish("b", expiration="100")
    bench.wait(1)
    assert bench.ready() == 2
    bench.channel.ack(bench.get().tag)
    assert bench.ready() == 0
