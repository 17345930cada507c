"""Declared against live, as values: no broker."""

from collections.abc import Iterable

import pytest

from tests.shop import Handle, Placed, shop
from toolkit import Consumer, Retry
from toolkit.operations.topology.application import to_make
from toolkit.operations.topology.declared import Declared
from toolkit.operations.topology.difference import Finding, differences
from toolkit.operations.topology.pruning import leftovers
from toolkit.topology.declarations import Binding, Exchange, Queue
from toolkit.topology.live import Bound, Live, LiveExchange, LiveQueue

QUEUE = "shop.handle"


def declared(*consumers: Consumer[Placed]) -> Declared:
    """A shop, for a broker of version 4.0."""
    consumers = consumers or (Handle(retry=Retry(immediately=0, after=("1s",))),)
    return Declared.of([shop("memory://", *consumers)], (4, 0))


def holding(declared: Declared) -> Live:
    """A broker that holds exactly what is declared."""
    topology = declared.topology
    queues = (
        LiveQueue(name=one.name, type=one.type, arguments=one.arguments(declared.version))
        for one in topology.queues
    )
    exchanges = (
        LiveExchange(name=one.name, type=one.type, arguments=one.arguments)
        for one in topology.exchanges
    )
    bindings = {
        queue.name: tuple(
            Bound(one.exchange, one.routing_key)
            for one in topology.bindings
            if one.queue == queue.name
        )
        for queue in topology.queues
    }
    return Live({q.name: q for q in queues}, {e.name: e for e in exchanges}, bindings)


def with_queue(live: Live, *queues: LiveQueue) -> Live:
    """The same with these queues."""
    return Live({**live.queues, **{q.name: q for q in queues}}, live.exchanges, live.bindings)


def names(findings: Iterable[Finding]) -> set[tuple[str, str, str]]:
    """What is found, without the words."""
    return {(one.what, one.kind, one.name) for one in findings}


def test_a_broker_that_holds_what_is_declared_is_equal() -> None:
    """Whatever else is there under other names."""
    ours = declared()
    stranger = LiveQueue(name="shopping.list")
    assert differences(ours, with_queue(holding(ours), stranger)) == []


def test_an_empty_broker_misses_everything_in_the_order_to_make_it() -> None:
    """Exchanges, queues, bindings."""
    ours = declared()
    parts = to_make(differences(ours, Live()))
    kinds = [type(part) for part in parts]
    assert kinds == sorted(kinds, key=[Exchange, Queue, Binding].index)
    assert len(parts) == len(list(ours.topology))


def test_an_argument_that_differs_names_both_values_and_what_is_in_the_queue() -> None:
    """With what it means, what to do, and what it may do to messages."""
    ours = declared()
    live = holding(ours)
    there = live.queues[QUEUE]
    old = LiveQueue(
        name=QUEUE, arguments={**there.arguments, "x-message-ttl": 60_000}, ready=3, consumers=1
    )
    (found,) = differences(ours, with_queue(live, old))
    assert found.sentence == (
        "queue 'shop.handle': x-message-ttl should be nothing, the broker has 60000 (how long a "
        "message may wait, in milliseconds, before it is dead-lettered); it holds 3 messages, 1 "
        "consumer"
    )
    assert "`toolkit topology migrate shop.handle`" in found.remedy
    assert found.risk.startswith("none is lost")


def test_a_type_that_is_not_among_the_arguments_is_compared_too() -> None:
    """A queue that was made without saying its type has one all the same."""
    ours = declared()
    live = holding(ours)
    arguments = {k: v for k, v in live.queues[QUEUE].arguments.items() if k != "x-queue-type"}
    same = LiveQueue(name=QUEUE, type="quorum", arguments=arguments)
    other = LiveQueue(name=QUEUE, type="classic", arguments=arguments)
    assert differences(ours, with_queue(live, same)) == []
    (found,) = differences(ours, with_queue(live, other))
    assert "x-queue-type should be 'quorum', the broker has 'classic'" in found.sentence


def test_an_exchange_of_another_type_and_a_queue_that_goes_with_the_broker_differ() -> None:
    """Type and durability count as much as arguments."""
    ours = declared()
    live = holding(ours)
    exchanges = {**live.exchanges, "events": LiveExchange(name="events", type="direct")}
    there = live.queues[QUEUE]
    transient = LiveQueue(name=QUEUE, arguments=there.arguments, is_durable=False)
    found = differences(ours, Live({**live.queues, QUEUE: transient}, exchanges, live.bindings))
    assert names(found) == {("different", "exchange", "events"), ("different", "queue", QUEUE)}


def test_what_has_our_name_and_is_declared_by_nobody_is_extra() -> None:
    """Queues, exchanges and bindings; not what goes with a connection."""
    ours = declared()
    live = holding(ours)
    rung = LiveExchange(name="shop.delay.5s", type="fanout")
    exchanges = {**live.exchanges, rung.name: rung}
    bindings = {**live.bindings, QUEUE: (*live.bounds(QUEUE), Bound("events", "shop.old"))}
    queues = {
        **live.queues,
        "shop.delay.5s": LiveQueue(name="shop.delay.5s"),
        "shop.tap.1": LiveQueue(name="shop.tap.1", is_exclusive=True),
    }
    found = differences(ours, Live(queues, exchanges, bindings))
    assert names(found) == {
        ("extra", "queue", "shop.delay.5s"),
        ("extra", "exchange", "shop.delay.5s"),
        ("extra", "binding", QUEUE),
    }
    assert any("a changed ladder has new rungs" in one.sentence for one in found)


def test_what_a_migration_has_left_is_neither_extra_nor_pruned() -> None:
    """It is to be finished, or taken back; bindings that it has aren't missing: made anew, they
    would bring everything twice.
    """
    ours = declared()
    held = holding(ours)
    aside = f"{QUEUE}.migrating"
    bindings = {**held.bindings, QUEUE: (), aside: held.bounds(QUEUE)}
    queues = {**held.queues, aside: LiveQueue(name=aside, ready=7)}
    live = Live(queues, held.exchanges, bindings)
    (found,) = differences(ours, live)
    assert (found.what, found.name) == ("unfinished", aside)
    assert "7 messages" in found.sentence
    assert leftovers(ours, live) == []


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        (LiveQueue(name="shop.old"), None),
        (LiveQueue(name="shop.old", ready=1), "it isn't empty"),
        (LiveQueue(name="shop.old", unacked=1), "it isn't empty"),
        (LiveQueue(name="shop.old", consumers=1), "somebody consumes it"),
    ],
)
def test_a_leftover_that_is_in_use_stays(queue: LiveQueue, reason: str | None) -> None:
    """And so does an exchange to which it is bound."""
    ours = declared()
    live = holding(ours)
    exchange = LiveExchange(name="shop.old", type="fanout")
    bindings = {**live.bindings, "shop.old": (Bound("shop.old"),)}
    queues = {**live.queues, queue.name: queue}
    found = leftovers(ours, Live(queues, {**live.exchanges, "shop.old": exchange}, bindings))
    assert [(one.kind, one.in_the_way) for one in found] == [
        ("queue", reason),
        ("exchange", reason and "'shop.old' is bound to it"),
    ]


def test_a_queue_is_fed_by_name_from_those_that_dead_letter_into_it() -> None:
    """Suspects come from every consumer."""
    ours = declared()
    assert [one.name for one in ours.feeders(f"{QUEUE}.dead")] == [QUEUE]
    assert [one.name for one in ours.feeders("shop.suspects")] == [QUEUE]
    assert ours.feeders(QUEUE) == ()
