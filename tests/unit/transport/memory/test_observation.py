"""What the broker tells a listener, what a test may order, and when nothing is under way."""

from datetime import timedelta

from tests.unit.transport.memory.broker import SECOND, Bench
from toolkit.transport.memory import Fate
from toolkit.transport.memory.observation import (
    DeadLettered,
    Delivered,
    Expired,
    Observation,
    Published,
    Refused,
    Returned,
    Settled,
)


def listening(bench: Bench) -> list[Observation]:
    """Everything that the broker tells from now on."""
    told: list[Observation] = []
    bench.broker.listeners.append(told.append)
    return told


def test_one_life_as_the_broker_tells_it() -> None:
    """Published, delivered, given back, delivered again, acked."""
    bench = Bench()
    bench.queue()
    told = listening(bench)
    bench.publish(message_id="m-1")
    bench.channel.nack(bench.get().tag, requeue=True)
    bench.channel.ack(bench.get().tag)
    assert [type(event) for event in told] == [Published, Delivered, Settled, Delivered, Settled]
    assert {event.message_id for event in told} == {"m-1"}
    assert isinstance(told[0], Published)
    assert (told[0].service, told[0].queues) == ("shop", ("q",))
    assert [e.mark for e in told if isinstance(e, Settled)] == ["given back", "acked"]
    assert [e.earlier_deliveries for e in told if isinstance(e, Delivered)] == [0, 1]


def test_ends_that_nobody_wishes_for() -> None:
    """Returned, refused, expired and dead-lettered, lost with a channel."""
    bench = Bench()
    bench.queue("dead")
    bench.queue(
        message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="dead", kind="classic"
    )
    bench.queue("full", kind="classic", max_length=0, overflow="reject-publish")
    told = listening(bench)
    bench.publish(queue="nobody's")
    bench.publish(queue="full")
    bench.publish()
    bench.wait(1)
    bench.get("dead")
    bench.channel.close()
    kinds = [type(event) for event in told]
    assert kinds[:2] == [Returned, Published]
    assert kinds[2:] == [Refused, Published, Expired, DeadLettered, Delivered, Settled]
    dead = next(event for event in told if isinstance(event, DeadLettered))
    assert (dead.queue, dead.reason, dead.queues) == ("q", "expired", ("dead",))
    assert isinstance(told[-1], Settled)
    assert told[-1].mark == "lost"


def test_the_next_publishes_can_be_refused_or_returned() -> None:
    """As often as ordered, and only those that match."""
    bench = Bench()
    bench.queue()
    broker = bench.broker
    broker.refuse_publish(lambda _, payload: payload.envelope.type == "b", times=2)
    broker.return_publish()
    assert bench.publish("x", type="a") == [Fate.RETURNED]
    assert bench.publish("xx", type="b") == [Fate.REFUSED] * 2
    assert bench.publish("x", type="b") == [Fate.CONFIRMED]
    assert not broker.faults.is_ordered
    assert bench.ready() == 1


def test_a_confirm_can_be_lost() -> None:
    """The message is there all the same."""
    bench = Bench()
    bench.queue()
    bench.broker.lose_confirm()
    assert bench.publish() == [Fate.UNKNOWN]
    assert bench.ready() == 1


def test_a_message_can_be_delivered_again() -> None:
    """After its ack: redelivered and counted, before everything else."""
    bench = Bench()
    bench.queue()
    told = listening(bench)
    bench.publish("ab")
    bench.channel.ack(bench.get().tag)
    acked = told[-1]
    assert isinstance(acked, Settled)
    bench.broker.redeliver(acked)
    again = bench.get()
    assert again.envelope.body == b"a"
    assert again.is_redelivered
    assert again.envelope.headers == {"x-delivery-count": 1}
    bench.channel.ack(again.tag)
    assert bench.drain() == "b"


def test_it_can_be_delivered_again_while_it_is_out() -> None:
    """To the same consumer, as two deliveries that are settled apart."""
    bench = Bench()
    bench.queue()
    told = listening(bench)
    bench.publish("a")
    first = bench.get()
    assert isinstance(told[-1], Delivered)
    bench.broker.redeliver(told[-1])
    second = bench.get()
    bench.channel.ack(first.tag)
    bench.channel.ack(second.tag)
    assert bench.broker.unacked == bench.ready() == 0


def test_the_broker_knows_when_nothing_is_under_way() -> None:
    """What is ready for nobody is at rest, what is out isn't, what is due is a matter of when."""
    bench = Bench()
    bench.queue(message_ttl=5000)
    broker = bench.broker
    assert broker.is_at_rest()
    bench.publish()
    assert broker.is_at_rest()
    assert not broker.is_at_rest(before=bench.clock.now() + 6 * SECOND)
    assert broker.is_at_rest(before=bench.clock.now() + timedelta(seconds=4.9))
    held = bench.get()
    assert not broker.is_at_rest()
    bench.channel.ack(held.tag)
    assert broker.is_at_rest()
