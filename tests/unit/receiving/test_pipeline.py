"""From a delivery to its one settlement: the table of semantics.md, case by case.

The broker is a postbox here; tests/conformance shows the same on a real one.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.unit.amqp import envelopes, header_tables
from tests.unit.clock import in_virtual_time, now, until_nothing_moves
from tests.unit.deliveries import InMemoryDelivery, delivery
from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from tests.unit.postbox import Postbox
from tests.unit.receiving.engines import Ship, engine
from toolkit import (
    Consumer,
    Context,
    Discard,
    Incoming,
    MessageTooLargeError,
    PublishError,
    QueueOptions,
    RefusedError,
    Reject,
    Retry,
    RetryAfter,
    Step,
    UnroutableError,
)
from toolkit.messages.codec import JsonCodec
from toolkit.messages.envelope import Envelope
from toolkit.observability.events import (
    DeadLettered,
    DiscardedByHandler,
    Failed,
    HandedBack,
    Handled,
    MessageEvent,
    Quarantined,
    RetryScheduled,
    SettlementFailed,
)
from toolkit.observability.hooks import Hooks

FAILURE = ConnectionError("the warehouse is closed")
ONCE = Retry(immediately=0, after=())
LADDER = Retry(immediately=0, after=("5s", "1m"))


class Told:
    """What the engine has told, type by type."""

    def __init__(self) -> None:
        self.hooks = Hooks()
        self.events: list[MessageEvent] = []
        self.hooks.add(self.events.append, MessageEvent)

    @property
    def types(self) -> list[type[MessageEvent]]:
        return [type(event) for event in self.events]


# ---------------------------------------------------------------------------------- handled


async def test_a_message_that_is_handled_is_acked() -> None:
    """And nothing else happens."""
    ship, postbox, told, incoming = Ship(), Postbox(), Told(), delivery()
    await engine(ship, postbox, hooks=told.hooks).receive(incoming)
    assert ship.handled == [OrderPlaced(order_id=1)]
    assert incoming.mark == "acked"
    assert not postbox.taken
    assert told.types == [Handled]


async def announce(order: OrderPlaced, context: Context) -> None:
    await context.publish(OrderCancelled(order_id=order.order_id))
    await context.send(ShipOrder(order_id=order.order_id))


async def test_what_a_handler_published_is_confirmed_before_its_message_is_acked() -> None:
    """A crash in between repeats both; it never loses one."""
    postbox, incoming = Postbox(), delivery()
    postbox.close()
    receiving = asyncio.create_task(engine(Ship(announce), postbox).receive(incoming))
    await postbox.until_taken(2)
    assert not incoming.is_settled
    postbox.open()
    await receiving
    assert incoming.mark == "acked"
    keys = [publication.routing_key for publication in postbox.taken]
    assert keys == ["orders.cancelled", "shipping.ship-order"]


async def test_a_single_publish_of_a_handler_is_confirmed_first_as_well() -> None:
    """The commonest case of all."""

    async def confirm(order: OrderPlaced, context: Context) -> None:
        await context.publish(OrderCancelled(order_id=order.order_id))

    postbox, incoming = Postbox(), delivery()
    await engine(Ship(confirm), postbox).receive(incoming)
    assert (postbox.only.routing_key, incoming.mark) == ("orders.cancelled", "acked")


async def test_a_failed_run_publishes_nothing() -> None:
    """Only what the run that succeeded wanted to publish goes out, once."""

    async def announce_and_fail(order: OrderPlaced, context: Context) -> None:
        await announce(order, context)
        raise FAILURE

    postbox, incoming = Postbox(), delivery()
    ship = Ship(announce_and_fail, announce_and_fail, announce)
    await engine(ship, postbox).receive(incoming)
    assert (incoming.mark, len(postbox.taken)) == ("acked", 2)


# ---------------------------------------------------------------------------------- failed


async def test_a_failure_is_tried_again_in_place() -> None:
    """As often as the policy says, in the same slot, each told."""
    ship, postbox, told, incoming = Ship(FAILURE, FAILURE, announce), Postbox(), Told(), delivery()
    await engine(ship, postbox, hooks=told.hooks).receive(incoming)
    assert ship.attempts == [1, 2, 3]
    assert incoming.mark == "acked"
    assert told.types == [Failed, Failed, Handled]


async def test_a_message_that_needs_time_waits_on_the_broker() -> None:
    """A copy is confirmed on the rung before the original is acked."""
    postbox, told, incoming = Postbox(), Told(), delivery()
    postbox.close()
    pipeline = engine(Ship(FAILURE, retry=LADDER), postbox, hooks=told.hooks)
    receiving = asyncio.create_task(pipeline.receive(incoming))
    await postbox.until_taken(1)
    assert not incoming.is_settled
    postbox.open()
    await receiving
    assert incoming.mark == "acked"
    assert (postbox.only.exchange, postbox.only.routing_key) == ("shop.delay.5s", "shop.ship")
    assert told.types == [Failed, RetryScheduled]


def back(postbox: Postbox) -> InMemoryDelivery:
    """The last copy, as the return exchange brings it back."""
    copy = postbox.taken[-1]
    return InMemoryDelivery(copy.envelope, exchange="shop.return", routing_key=copy.routing_key)


async def test_a_message_that_always_fails_walks_the_ladder_and_ends_as_a_dead_letter() -> None:
    """With its id, its attempts counted over all rounds, and the record of its fault."""
    ship, postbox, incoming = Ship(FAILURE, retry=Retry(after=("5s", "1m"))), Postbox(), delivery()
    pipeline = engine(ship, postbox)
    for _ in range(3):
        await pipeline.receive(incoming)
        assert incoming.mark == "acked"
        incoming = back(postbox)
    exchanges = [publication.exchange for publication in postbox.taken]
    assert exchanges == ["shop.delay.5s", "shop.delay.1m", ""]
    assert ship.attempts == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    last = postbox.taken[-1]
    assert last.routing_key == "shop.ship.dead"
    assert (last.envelope.message_id, last.envelope.body) == ("m-1", b'{"order_id":1}')
    headers = last.envelope.headers
    assert (headers["dead-reason"], headers["error-type"]) == ("failed", "ConnectionError")
    assert (headers["attempts"], headers["original-exchange"]) == (9, "events")


async def test_an_error_that_no_try_mends_is_dead_lettered_at_once() -> None:
    """One try, no delay."""
    ship, postbox, incoming = Ship(FAILURE, retry=Retry(never=(OSError,))), Postbox(), delivery()
    await engine(ship, postbox).receive(incoming)
    assert ship.attempts == [1]
    assert postbox.only.envelope.headers["dead-reason"] == "failed"


async def test_a_delay_of_one_second_is_waited_for_on_the_broker() -> None:
    """From there on a slot is better used for others."""
    postbox, incoming = Postbox(), delivery()
    ship = Ship(FAILURE, retry=Retry(immediately=0, after=("1s",)))
    await engine(ship, postbox).receive(incoming)
    assert (ship.attempts, postbox.only.exchange) == ([1], "shop.delay.1s")


@in_virtual_time
async def test_a_delay_of_less_than_a_second_is_waited_for_in_place() -> None:
    """No copy; the slot is held for as long."""
    ship, postbox, incoming = Ship(FAILURE, announce), Postbox(), delivery()
    ship.retry = Retry(immediately=0, after=("250ms",))
    await engine(ship, postbox).receive(incoming)
    assert ship.attempts == [1, 2]
    assert now() == pytest.approx(0.25)
    assert (incoming.mark, len(postbox.taken)) == ("acked", 2)


# ---------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize("is_grouped", [False, True])
async def test_a_rejected_message_is_dead_lettered_at_once(*, is_grouped: bool) -> None:
    """Also where the verdict came out of a task group."""
    verdict = Reject("no such customer")
    raised = ExceptionGroup("tasks", [verdict]) if is_grouped else verdict
    ship, postbox, told, incoming = Ship(raised), Postbox(), Told(), delivery()
    await engine(ship, postbox, hooks=told.hooks).receive(incoming)
    headers = postbox.only.envelope.headers
    assert (headers["dead-reason"], headers["error-message"]) == ("rejected", "no such customer")
    assert (ship.attempts, incoming.mark) == ([1], "acked")
    assert told.types[-1] is DeadLettered


async def test_a_discarded_message_is_acked_and_told() -> None:
    """It is gone, and somebody knows."""
    postbox, told, incoming = Postbox(), Told(), delivery()
    await engine(Ship(Discard("seen before")), postbox, hooks=told.hooks).receive(incoming)
    assert (incoming.mark, postbox.taken) == ("acked", [])
    (event,) = (event for event in told.events if isinstance(event, DiscardedByHandler))
    assert event.reason == "seen before"


async def test_a_handler_may_choose_the_delay() -> None:
    """On the longest rung that fits, and the copy says when it is due."""
    postbox, incoming = Postbox(), delivery()
    await engine(Ship(RetryAfter("30s"), retry=LADDER), postbox).receive(incoming)
    headers = postbox.only.envelope.headers
    assert postbox.only.exchange == "shop.delay.5s"
    due = datetime.fromisoformat(headers["retry-not-before"])
    assert timedelta(seconds=25) < due - datetime.now(UTC) <= timedelta(seconds=30)
    assert headers["retry-attempt"] == 1


async def test_a_message_that_came_back_early_waits_on_without_using_up_a_try() -> None:
    """Laps are no attempts."""
    due = (datetime.now(UTC) + timedelta(seconds=50)).isoformat()
    ship, postbox, told = Ship(retry=LADDER), Postbox(), Told()
    incoming = delivery(headers={"retry-not-before": due, "retry-attempt": 1, "attempts": 1})
    await engine(ship, postbox, hooks=told.hooks).receive(incoming)
    headers = postbox.only.envelope.headers
    assert (ship.attempts, told.types, incoming.mark) == ([], [], "acked")
    assert (headers["retry-attempt"], headers["attempts"]) == (1, 1)


# ---------------------------------------------------------------------------------- bad messages


BAD: list[tuple[str, dict[str, Any]]] = [
    ("undecodable", {"body": b""}),
    ("undecodable", {"body": b"hello"}),
    ("undecodable", {"body": b'{"order_id":"one"}'}),
    ("undecodable", {"body": b"[" * 5_000_000}),
    ("undecodable", {"content_type": "text/plain"}),
    ("undecodable", {"content_encoding": "gzip"}),
    ("undecodable", {"unreadable": "the properties end too early"}),
    ("unhandled", {"type": "orders.shipped"}),
    ("unhandled", {"type": b"caf\xe9".decode("utf-8", "surrogateescape")}),
]


@pytest.mark.parametrize(("reason", "properties"), BAD)
async def test_a_message_that_can_not_be_handled_is_kept_with_the_reason(
    reason: str, properties: dict[str, Any]
) -> None:
    """Never tried, never lost: the dead letter has the bytes as they came."""
    ship, postbox, incoming = Ship(), Postbox(), delivery(**properties)
    await engine(ship, postbox).receive(incoming)
    copy = postbox.only
    assert (copy.routing_key, copy.envelope.headers["dead-reason"]) == ("shop.ship.dead", reason)
    assert copy.envelope.body == incoming.envelope.body
    assert (copy.envelope.type, copy.envelope.content_type) == (
        incoming.envelope.type,
        incoming.envelope.content_type,
    )
    assert (ship.attempts, incoming.mark) == ([], "acked")


class Follow(Consumer[OrderPlaced | OrderCancelled]):
    """Takes two types, and notes which."""

    queue = QueueOptions(bindings=("other.#",))

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def handle(self, message: OrderPlaced | OrderCancelled, context: Context) -> None:
        self.seen.append(type(message).__name__)


@pytest.mark.parametrize(
    ("properties", "routing_key", "seen"),
    [
        ({"type": "orders.cancelled"}, "whatever", ["OrderCancelled"]),
        ({"type": None}, "orders.cancelled", ["OrderCancelled"]),
        ({"type": ""}, "orders.placed", ["OrderPlaced"]),
        ({"type": None, "content_type": None}, "orders.placed", ["OrderPlaced"]),
        ({"type": None}, "other.placed", []),
        ({"type": "orders.shipped"}, "orders.placed", []),
    ],
)
async def test_a_message_is_read_by_its_type_else_by_its_routing_key(
    properties: dict[str, Any], routing_key: str, seen: list[str]
) -> None:
    """What neither names is nobody's."""
    follow, incoming = Follow(), delivery(**properties)
    incoming.routing_key = routing_key
    await engine(follow, Postbox()).receive(incoming)
    assert (follow.seen, incoming.mark) == (seen, "acked")


async def test_where_there_is_one_type_only_a_body_is_enough() -> None:
    """A message from plain pika, published straight to the queue."""
    ship = Ship()
    incoming = InMemoryDelivery(Envelope(b'{"order_id":1}'), exchange="", routing_key="shop.ship")
    await engine(ship, Postbox()).receive(incoming)
    assert ship.handled == [OrderPlaced(order_id=1)]


# ---------------------------------------------------------------------------------- publishes fail


async def test_a_command_that_nobody_takes_is_a_failure_of_the_handler() -> None:
    """Its policy decides: another try later, when the other service is there."""
    postbox, told, incoming = Postbox(), Told(), delivery()
    postbox.fail("shipping.ship-order")
    await engine(Ship(announce, retry=LADDER), postbox, hooks=told.hooks).receive(incoming)
    assert postbox.taken[-1].exchange == "shop.delay.5s"
    assert (incoming.mark, told.types) == ("acked", [Failed, RetryScheduled])


@in_virtual_time
async def test_a_copy_that_is_not_confirmed_leaves_the_original_in_its_queue() -> None:
    """After a pause, so that it doesn't spin; a duplicate is possible, a loss is not."""
    postbox, told, incoming = Postbox(), Told(), delivery()
    postbox.fail("shop.ship", RefusedError)
    await engine(Ship(FAILURE, retry=LADDER), postbox, hooks=told.hooks).receive(incoming)
    assert incoming.mark == "rejected"
    assert now() >= 1
    assert told.types == [Failed, SettlementFailed]


@in_virtual_time
async def test_the_pause_grows_with_each_time_and_stays_below_a_minute() -> None:
    """A message that can't be settled for an hour costs little."""
    pauses = []
    for earlier in (0, 1, 2, 3, 20):
        began = now()
        incoming, postbox = delivery(headers={"x-delivery-count": earlier}), Postbox()
        postbox.fail("shop.ship", RefusedError)
        pipeline = engine(Ship(FAILURE, retry=LADDER), postbox, crash_budget=100)
        await pipeline.receive(incoming)
        pauses.append(now() - began)
    assert pauses == pytest.approx([1, 2, 4, 8, 30])


@in_virtual_time
async def test_an_event_of_the_handler_that_is_refused_leaves_the_message_in_its_queue() -> None:
    """It is the broker's trouble, not the handler's: no try is used up."""
    postbox, told, incoming = Postbox(), Told(), delivery()
    postbox.fail("orders.cancelled", RefusedError)
    await engine(Ship(announce, retry=LADDER), postbox, hooks=told.hooks).receive(incoming)
    assert incoming.mark == "rejected"
    assert told.types == [SettlementFailed]


async def test_a_message_too_large_for_its_rung_is_dead_lettered() -> None:
    """With the fault of the handler, which is what matters."""
    postbox, incoming = Postbox(), delivery()
    postbox.fail("shop.ship", MessageTooLargeError)
    await engine(Ship(FAILURE, retry=LADDER), postbox).receive(incoming)
    headers = postbox.taken[-1].envelope.headers
    assert (headers["dead-reason"], headers["error-type"]) == ("failed", "ConnectionError")
    assert incoming.mark == "acked"


# ---------------------------------------------------------------------------------- time and end


async def dawdle(order: OrderPlaced, context: Context) -> None:
    await asyncio.sleep(3_600)


@in_virtual_time
async def test_a_run_that_takes_too_long_is_a_failure() -> None:
    """Its error names the consumer, the limit and what to do."""
    postbox, incoming = Postbox(), delivery()
    await engine(Ship(dawdle, timeout="30s", retry=ONCE), postbox).receive(incoming)
    assert now() == pytest.approx(30)
    headers = postbox.only.envelope.headers
    assert headers["error-type"] == "toolkit.errors.HandlerTimeoutError"
    assert headers["error-message"].startswith("Ship did not finish within 30s; ")


@in_virtual_time
async def test_without_a_timeout_a_run_takes_as_long_as_it_takes() -> None:
    """None means no limit."""
    incoming = delivery()
    await engine(Ship(dawdle, timeout=None), Postbox()).receive(incoming)
    assert incoming.mark == "acked"
    assert now() == pytest.approx(3_600)


async def test_a_timeout_of_the_handlers_own_is_the_handlers_error() -> None:
    """Not taken for the consumer's limit."""
    postbox = Postbox()
    await engine(Ship(TimeoutError("smtp"), retry=ONCE), postbox).receive(delivery())
    assert postbox.only.envelope.headers["error-type"] == "TimeoutError"


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    """A handler that lets one out neither stops the consumer nor loses its message."""
    postbox, incoming = Postbox(), delivery()
    await engine(Ship(asyncio.CancelledError(), retry=ONCE), postbox).receive(incoming)
    headers = postbox.only.envelope.headers
    assert headers["error-type"] == "toolkit.errors.HandlerCancelledError"
    assert incoming.mark == "acked"


@in_virtual_time
async def test_a_shutdown_gives_back_the_message_whose_handler_it_cuts() -> None:
    """Whatever the handler makes of it: the message is not acked, and nothing is published."""
    told, postbox, incoming = Told(), Postbox(), delivery()
    pipeline = engine(Ship(dawdle), postbox, hooks=told.hooks, is_stopping=True)
    receiving = asyncio.create_task(pipeline.receive(incoming))
    await until_nothing_moves()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert (incoming.mark, postbox.taken, told.types) == ("given back", [], [HandedBack])


# ---------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize(("deliveries", "is_suspect"), [(0, False), (3, False), (4, True)])
async def test_a_message_that_was_delivered_too_often_goes_to_the_suspects(
    deliveries: int, *, is_suspect: bool
) -> None:
    """Over the crash budget it is not tried among others."""
    ship, postbox, told = Ship(), Postbox(), Told()
    incoming = delivery(headers={"x-delivery-count": deliveries})
    await engine(ship, postbox, hooks=told.hooks, crash_budget=3).receive(incoming)
    keys = [publication.routing_key for publication in postbox.taken]
    assert keys == (["shop.suspects"] if is_suspect else [])
    assert told.types == [Quarantined if is_suspect else Handled]
    assert incoming.mark == "acked"


async def test_a_suspect_that_runs_alone_is_handled_like_any_other() -> None:
    """It isn't sent to the suspects once more."""
    ship = Ship()
    incoming = delivery(headers={"x-delivery-count": 50})
    await engine(ship, Postbox()).receive_alone(incoming)
    assert ship.handled
    assert incoming.mark == "acked"


# ---------------------------------------------------------------------------------- old work


async def test_finished_work_that_comes_again_is_acked_and_not_done_again() -> None:
    """A fresh message under the same id is no old work."""
    ship = Ship()
    pipeline = engine(ship, Postbox())
    await pipeline.receive(delivery())
    again = delivery()
    again.is_redelivered = True
    await pipeline.receive(again)
    assert len(ship.attempts) == 1
    assert again.mark == "acked"
    await pipeline.receive(delivery())
    assert len(ship.attempts) == 2


async def test_a_lap_is_not_the_end_of_a_message() -> None:
    """The copy that comes back has the same id and count; were it lost in our hands, it would be
    delivered again, and is to be handled.
    """
    ship = Ship(retry=Retry(after=("1s",)))
    postbox = Postbox()
    pipeline = engine(ship, postbox)
    early = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    due = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await pipeline.receive(delivery(headers={"retry-not-before": early, "attempts": 1}))
    assert len(postbox.taken) == 1
    returned = delivery(headers={"retry-not-before": due, "attempts": 1})
    returned.is_redelivered = True
    await pipeline.receive(returned)
    assert ship.attempts == [2]


async def test_becoming_a_suspect_is_not_the_end_of_a_message() -> None:
    """It runs alone, also if it is delivered to that more than once."""
    ship = Ship()
    pipeline = engine(ship, Postbox(), crash_budget=3)
    await pipeline.receive(delivery(headers={"x-delivery-count": 9}))
    assert not ship.attempts
    suspect = delivery(headers={"x-delivery-count": 1})
    suspect.is_redelivered = True
    await pipeline.receive_alone(suspect)
    assert ship.attempts == [1]


async def test_what_this_process_survived_is_not_charged() -> None:
    """Deliveries that came to nothing here are no evidence of a crash."""
    ship = Ship()
    pipeline, incoming = engine(ship, Postbox(), crash_budget=3), delivery()
    incoming.envelope.headers["x-delivery-count"] = 5
    assert pipeline.charge_of(incoming) == 5
    pipeline.survive(incoming)
    pipeline.survive(incoming)
    assert pipeline.charge_of(incoming) == 3
    await pipeline.receive(incoming)
    assert ship.attempts == [1]


# ---------------------------------------------------------------------------------- middleware


async def test_middleware_runs_around_every_try() -> None:
    """It sees the message and its context, and each failure."""
    seen: list[object] = []

    async def watch(incoming: Incoming, proceed: Step[Incoming]) -> None:
        seen.append((incoming.message, incoming.context.attempt))
        try:
            await proceed(incoming)
        except ConnectionError:
            seen.append("failed")
            raise

    await engine(Ship(FAILURE, announce), Postbox(), middlewares=[watch]).receive(delivery())
    order = OrderPlaced(order_id=1)
    assert seen == [(order, 1), "failed", (order, 2)]


async def test_an_error_of_middleware_is_a_failure_like_any_other() -> None:
    """The retry policy decides."""

    async def fail(incoming: Incoming, proceed: Step[Incoming]) -> None:
        raise FAILURE

    ship, postbox, incoming = Ship(retry=LADDER), Postbox(), delivery()
    await engine(ship, postbox, middlewares=[fail]).receive(incoming)
    assert (ship.attempts, postbox.only.exchange) == ([], "shop.delay.5s")


# ---------------------------------------------------------------------------------- our own faults


class BrokenCodec(JsonCodec):
    """A codec of the user's that breaks its promise."""

    def accepts(self, content_type: str | None) -> bool:
        raise KeyError(content_type)


async def test_a_fault_of_the_engine_is_kept_like_any_other() -> None:
    """The message doesn't go round and round over it; the log has the traceback."""
    postbox, incoming = Postbox(), delivery()
    with capture_logs() as logs:
        await engine(Ship(), postbox, codec=BrokenCodec()).receive(incoming)
    headers = postbox.only.envelope.headers
    assert (headers["dead-reason"], headers["error-type"]) == ("failed", "KeyError")
    assert incoming.mark == "acked"
    (line,) = (line for line in logs if line["event"] == "the engine failed")
    assert (line["message_id"], line["exc_info"]) == ("m-1", True)


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes_through_a_handler(ending: type[BaseException]) -> None:
    """It is nobody's failure; the message is unsettled, so it comes again."""
    incoming = delivery()
    with pytest.raises(ending):
        asyncio.run(engine(Ship(ending()), Postbox()).receive(incoming))
    assert not incoming.is_settled


# ---------------------------------------------------------------------------------- always


async def test_a_fault_has_the_same_fingerprint_whichever_way_it_was_reached() -> None:
    """At the first try or after others in place, with a deadline or without, alone or not."""

    async def fail(order: OrderPlaced, context: Context) -> None:
        raise ValueError(f"order {order.order_id} at attempt {context.attempt}")

    prints = set()
    for immediately, timeout in ((0, None), (0, "30s"), (3, None), (3, "30s")):
        postbox = Postbox()
        ship = Ship(fail, retry=Retry(immediately=immediately, after=()), timeout=timeout)
        await engine(ship, postbox).receive(delivery())
        await engine(ship, postbox).receive_alone(delivery(body=b'{"order_id":2}'))
        prints |= {envelope.headers["error-fingerprint"] for envelope in postbox.envelopes}
    assert len(prints) == 1


class Unprintable(Exception):
    """An error that fails to say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


Outcome = Callable[[], BaseException | None]
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [
        lambda: None,
        lambda: ConnectionError("the warehouse is closed"),
        lambda: Reject("no"),
        lambda: Discard("seen"),
        lambda: RetryAfter("20s"),
        lambda: ExceptionGroup("tasks", [ConnectionError(), ValueError()]),
        asyncio.CancelledError,
        Unprintable,
        lambda: ValueError("\ud800" * 5_000),
    ]
)
policies = st.builds(
    Retry,
    immediately=st.integers(0, 2),
    after=st.lists(st.sampled_from(["10ms", "1s", "1m"]), max_size=3).map(tuple),
)
ours = st.dictionaries(
    st.sampled_from(
        [
            *("attempts", "retry-attempt", "retry-not-before", "first-failed-at"),
            *("original-exchange", "original-routing-key", "x-delivery-count", "x-death"),
        ]
    ),
    st.one_of(
        header_tables.flatmap(lambda table: st.sampled_from([*table.values(), None])),
        st.sampled_from([2**63 - 1, "2999-01-01T00:00:00+00:00", "0001-01-01T00:00:00+12:00"]),
        st.datetimes().map(datetime.isoformat),
    ),
)
strange = st.one_of(
    envelopes,
    st.builds(lambda headers: delivery(headers=headers).envelope, ours),
    st.builds(
        lambda headers, message_id: delivery(headers=headers, message_id=message_id).envelope,
        header_tables,
        st.sampled_from([None, "", b"\xff".decode("utf-8", "surrogateescape")]),
    ),
)
answers = st.sampled_from([None, RefusedError, UnroutableError, MessageTooLargeError])


@given(strange, outcomes, policies, answers)
def test_every_delivery_is_settled_exactly_once_and_no_message_is_lost(
    envelope: Envelope, outcome: Outcome, policy: Retry, answer: type[PublishError] | None
) -> None:
    """Whatever came, whatever the handler did, whatever the broker answers to a copy.

    A second mark would raise; acked means handled, discarded or carried on by a copy.
    """

    @in_virtual_time
    async def scenario() -> None:
        await engine(ship, postbox).receive(incoming)

    raised = outcome()
    ship = Ship(announce if raised is None else raised, retry=policy)
    postbox, incoming = Postbox(), InMemoryDelivery(envelope)
    if answer is not None:
        for key in ("shop.ship", "shop.ship.dead", "shop.suspects"):
            postbox.fail(key, answer)
    scenario()
    is_done = bool(ship.handled) or (bool(ship.attempts) and isinstance(raised, Discard))
    is_carried_on = any(copy.routing_key.startswith("shop.") for copy in postbox.taken)
    is_safe = is_done or (is_carried_on and answer is None)
    assert incoming.mark == ("acked" if is_safe else "rejected")
