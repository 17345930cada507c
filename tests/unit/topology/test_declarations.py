"""What is sent to the broker for a queue depends on its version in one place only."""

from datetime import timedelta

import pytest

from toolkit import ConfigurationError
from toolkit.topology.declarations import UNLIMITED, Binding, Exchange, Queue, Topology, Version

OLD, NEW = (3, 10), (4, 0)


@pytest.mark.parametrize("version", [OLD, (3, 13), NEW, (4, 3)])
def test_the_type_of_a_queue_is_always_sent(version: Version) -> None:
    """A virtual host can have a default of its own."""
    assert Queue("q").arguments(version)["x-queue-type"] == "quorum"
    assert Queue("q", type="classic").arguments(version) == {"x-queue-type": "classic"}


def test_no_delivery_limit_is_nothing_before_4_0_and_minus_one_from_then_on() -> None:
    """Before, -1 dead-letters at once; since, nothing means twenty."""
    queue = Queue("q", delivery_limit=UNLIMITED)
    assert "x-delivery-limit" not in queue.arguments((3, 13))
    assert queue.arguments(NEW)["x-delivery-limit"] == -1


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_delivery_limit_is_the_same_on_every_version(version: Version) -> None:
    """But classic queues have none."""
    assert Queue("q", delivery_limit=7).arguments(version)["x-delivery-limit"] == 7
    assert "x-delivery-limit" not in Queue("q", type="classic", delivery_limit=7).arguments(version)


def test_every_option_is_an_argument() -> None:
    """Times in milliseconds, and what isn't set isn't sent."""
    queue = Queue(
        "shop.ship",
        delivery_limit=20,
        ttl=timedelta(seconds=1.5),
        max_length=10,
        max_bytes=1_000,
        overflow="reject-publish",
        dead_letter_exchange="",
        dead_letter_routing_key="shop.ship.dead",
        single_active_consumer=True,
        extra={"x-quorum-initial-group-size": 5},
    )
    assert queue.arguments(NEW) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-message-ttl": 1_500,
        "x-max-length": 10,
        "x-max-length-bytes": 1_000,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "shop.ship.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-single-active-consumer": True,
        "x-quorum-initial-group-size": 5,
    }


def test_dead_lettering_at_least_once_is_for_quorum_queues() -> None:
    """Classic queues don't know it, and a queue without dead letters doesn't need it."""
    name = "x-dead-letter-strategy"
    assert name in Queue("q", dead_letter_exchange="").arguments(NEW)
    assert name not in Queue("q").arguments(NEW)
    assert name not in Queue("q", type="classic", dead_letter_exchange="").arguments(NEW)


def test_priorities_are_an_argument_of_classic_queues() -> None:
    """Sent as declared."""
    arguments = Queue("q", type="classic", max_priority=5).arguments(NEW)
    assert arguments == {"x-queue-type": "classic", "x-max-priority": 5}


def test_an_exchange_sends_its_alternate() -> None:
    """Where there is one."""
    assert Exchange("e", "topic").arguments == {}
    assert Exchange("e", "direct", alternate="p").arguments == {"alternate-exchange": "p"}


def test_a_topology_has_each_thing_once_in_the_order_to_declare_it() -> None:
    """Exchanges, then queues, then what binds them."""
    events, queue, binding = Exchange("events", "topic"), Queue("q"), Binding("events", "q", "a")
    topology = Topology.of([binding, queue, events, queue, binding, events])
    assert topology == Topology((events,), (queue,), (binding,))
    assert list(topology) == [events, queue, binding]


def test_every_contradiction_is_listed() -> None:
    """Two queues of one name that differ, and two exchanges: one error, both named."""
    with pytest.raises(ConfigurationError, match="contradict each other") as caught:
        Topology.of(
            [
                *(Queue("same"), Queue("same", max_length=5)),
                *(Exchange("bus", "topic"), Exchange("bus", "direct")),
                *(Queue("fine"), Queue("fine"), Exchange("fine", "topic")),
            ]
        )
    about_queue, about_exchange = caught.value.problems
    assert about_queue.startswith("'same' is declared twice")
    assert "max_length=5" in about_queue
    assert about_exchange.startswith("'bus' is declared twice")
