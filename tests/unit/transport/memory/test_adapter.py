"""The port over the memory broker."""

import asyncio
import gc
from datetime import timedelta

import pytest

from tests.unit.transport.memory.broker import SECOND
from toolkit.errors import (
    Difference,
    MessageTooLargeError,
    PublishTimeoutError,
    RefusedError,
    TopologyError,
    TransportError,
    UnroutableError,
)
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Binding, Exchange, Queue, Topology, TopologyMode
from toolkit.transport.memory import MemoryBroker, MemoryTransport, VirtualClock
from toolkit.transport.memory.clock import let_the_loop_turn
from toolkit.transport.port import MOST_WAITING, Delivery, Transport

ORDERS = Topology(
    (Exchange("events", "topic"),), (Queue("q"),), (Binding("events", "q", "orders.#"),)
)


class Shop:
    """One service on a broker, and what it was handed."""

    def __init__(
        self,
        *,
        broker: MemoryBroker | None = None,
        service: str = "shop",
        mode: TopologyMode = "declare",
    ) -> None:
        self.clock = VirtualClock()
        self.broker = broker or MemoryBroker(clock=self.clock)
        self.transport = MemoryTransport(self.broker, service=service, topology=mode)
        self.seen: list[Delivery] = []

    async def publish(
        self, body: str = "m", key: str = "orders.placed", exchange: str = "events", **more: object
    ) -> None:
        envelope = Envelope(body.encode(), message_id="m-1", **more)  # type: ignore[arg-type]
        await self.transport.publish(Publication(envelope, exchange, key), timeout=SECOND)

    @property
    def bodies(self) -> list[str]:
        return [delivery.envelope.body.decode() for delivery in self.seen]


async def opened(shop: Shop | None = None, *, prefetch: int = 10) -> Shop:
    """Open, and subscribed."""
    shop = shop or Shop()
    await shop.transport.open(ORDERS)
    await shop.transport.subscribe("q", prefetch=prefetch, deliver=shop.seen.append)
    return shop


def test_it_is_a_transport() -> None:
    """The port's protocol and mypy agree."""
    transport: Transport = MemoryTransport(MemoryBroker(), service="shop")
    assert transport.description == "a broker in memory, as RabbitMQ 4.0"


async def test_a_message_goes_in_and_comes_out() -> None:
    """With all that the port promises of a delivery."""
    shop = await opened()
    await shop.publish(headers={"a": 1}, type="orders.placed")
    (delivery,) = shop.seen
    assert delivery.envelope == Envelope(
        b"m", message_id="m-1", type="orders.placed", headers={"a": 1}
    )
    assert (delivery.exchange, delivery.routing_key) == ("events", "orders.placed")
    assert not delivery.is_redelivered
    assert delivery.earlier_deliveries == 0
    assert (delivery.is_live, delivery.is_settled) == (True, False)
    delivery.ack()
    assert (delivery.is_live, delivery.is_settled) == (True, True)
    assert shop.broker.is_at_rest()


@pytest.mark.parametrize("first", ["ack", "reject", "give_back"])
@pytest.mark.parametrize("second", ["ack", "reject", "give_back"])
async def test_a_delivery_is_settled_once(first: str, second: str) -> None:
    """A second mark is a bug of the caller's."""
    shop = await opened()
    await shop.publish()
    delivery = shop.seen[0]
    getattr(delivery, first)()
    with pytest.raises(RuntimeError):
        getattr(delivery, second)()


async def test_what_is_rejected_or_given_back_comes_again() -> None:
    """Counted."""
    shop = await opened()
    await shop.publish()
    shop.seen[-1].reject()
    shop.seen[-1].give_back()
    assert [delivery.earlier_deliveries for delivery in shop.seen] == [0, 1, 2]
    assert shop.seen[-1].is_redelivered


async def test_no_more_than_the_prefetch_are_out() -> None:
    """The rest comes with the acks."""
    shop = await opened(prefetch=2)
    for body in "abc":
        await shop.publish(body)
    assert shop.bodies == ["a", "b"]
    shop.seen[0].ack()
    assert shop.bodies == ["a", "b", "c"]


async def test_two_services_share_a_broker() -> None:
    """And the messages of one queue, in turn."""
    one = await opened()
    two = await opened(Shop(broker=one.broker, service="other"))
    for body in "abcd":
        await one.publish(body)
    assert (one.bodies, two.bodies) == (["a", "c"], ["b", "d"])


async def test_errors_of_a_publish() -> None:
    """Each end that the broker knows has its own."""
    shop = await opened()
    with pytest.raises(UnroutableError, match="exchange 'events', routing key 'unknown'"):
        await shop.publish(key="unknown")
    with pytest.raises(RefusedError, match="NOT_FOUND - no exchange 'none'"):
        await shop.publish(exchange="none")
    with pytest.raises(RefusedError, match="can't be encoded"):
        await shop.publish(headers={"h": object()})
    with pytest.raises(RefusedError, match="user_id"):
        await shop.publish(user_id="somebody")
    with pytest.raises(RefusedError, match="invalid expiration"):
        await shop.publish(expiration="soon")
    with pytest.raises(MessageTooLargeError, match="a body of"):
        await shop.publish("x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(MessageTooLargeError, match="properties and headers"):
        await shop.publish(headers={"h": "x" * 140_000})
    shop.broker.refuse_publish()
    with pytest.raises(RefusedError, match="answered no"):
        await shop.publish()
    assert shop.seen == []


async def test_a_publish_waits_for_the_connection_until_its_timeout() -> None:
    """By the broker's clock."""
    shop = await opened()
    shop.broker.drop_connection("shop", down_for=timedelta(seconds=0.5))
    publishing = asyncio.create_task(shop.publish("a"))
    await shop.clock.advance(timedelta(seconds=0.4))
    assert not publishing.done()
    await shop.clock.advance(timedelta(seconds=0.1))
    assert publishing.done()
    shop.broker.drop_connection("shop", down_for=timedelta(seconds=9))
    publishing = asyncio.create_task(shop.publish("b"))
    await shop.clock.advance(SECOND)
    with pytest.raises(PublishTimeoutError, match="it was not sent") as late:
        await publishing
    assert not late.value.may_have_arrived
    assert shop.bodies == ["a"]


async def test_an_outage_does_not_fill_the_memory() -> None:
    """Beyond a number of them, a publish is refused at once; those that wait are none the worse."""
    shop = await opened()
    shop.broker.drop_connection("shop", down_for=SECOND)
    waiting = [asyncio.create_task(shop.publish(str(n))) for n in range(MOST_WAITING)]
    await let_the_loop_turn()
    with pytest.raises(RefusedError, match="10,000 publishes wait for it; it was not sent"):
        await shop.publish("one too many")
    await shop.clock.advance(SECOND)
    await asyncio.gather(*waiting)
    (queue,) = (queue for queue in shop.broker.queues.values() if queue.unacked)
    assert queue.ready + queue.unacked == MOST_WAITING


async def test_an_unknown_fate_is_resolved_by_publishing_again() -> None:
    """Under the same id, so there may be two."""
    shop = await opened()
    shop.broker.lose_confirm()
    await shop.publish("a")
    await let_the_loop_turn()
    assert len([d for d in shop.seen if d.is_live]) == 2
    assert {d.envelope.message_id for d in shop.seen} == {"m-1"}


async def test_a_fate_that_stays_unknown() -> None:
    """The message may have arrived, and the error says so."""
    shop = await opened()
    shop.broker.lose_confirm()
    publishing = asyncio.create_task(shop.publish("a"))
    while not shop.seen:  # it has arrived; the confirm has not
        await asyncio.sleep(0)
    shop.broker.drop_connection("shop", down_for=timedelta(seconds=5))
    await shop.clock.advance(SECOND)
    with pytest.raises(PublishTimeoutError) as late:
        await publishing
    assert late.value.may_have_arrived


async def test_a_dropped_connection_gives_everything_back_and_returns() -> None:
    """Old deliveries are dead, marks on them are forgotten, and all comes again, counted."""
    shop = await opened()
    await shop.publish("a")
    await shop.publish("b")
    old = list(shop.seen)
    assert shop.broker.drop_connection("shop") == 2
    assert not any(delivery.is_live for delivery in old)
    assert not shop.broker.is_at_rest()
    old[0].ack()
    await let_the_loop_turn()
    assert shop.bodies == ["a", "b", "a", "b"]
    assert [d.earlier_deliveries for d in shop.seen[2:]] == [1, 1]
    for delivery in shop.seen[2:]:
        delivery.ack()
    assert shop.broker.is_at_rest()


async def test_an_ack_can_be_lost_with_its_connection() -> None:
    """The handler is done, and the message comes again."""
    shop = await opened()
    shop.broker.lose_ack("q")
    await shop.publish("a")
    shop.seen[0].ack()
    await let_the_loop_turn()
    assert shop.bodies == ["a", "a"]
    assert shop.seen[1].is_redelivered
    shop.seen[1].ack()
    assert shop.broker.is_at_rest()


async def test_a_stopped_subscriber_gets_nothing_more() -> None:
    """What is out can be settled, and a lost connection doesn't bring it back."""
    shop = Shop()
    await shop.transport.open(ORDERS)
    subscriber = await shop.transport.subscribe("q", prefetch=1, deliver=shop.seen.append)
    await shop.publish("a")
    await subscriber.stop()
    assert not subscriber.condition.is_registered
    shop.seen[0].ack()
    await shop.publish("b")
    shop.broker.drop_connection("shop")
    await let_the_loop_turn()
    assert shop.bodies == ["a"]
    assert await shop.transport.count("q") == 1


async def test_closing_gives_back_what_is_out_and_counts_it() -> None:
    """Twice is once."""
    shop = await opened()
    await shop.publish("a")
    await shop.transport.close()
    await shop.transport.close()
    assert not shop.seen[0].is_live
    other = await opened(Shop(broker=shop.broker, service="other"))
    assert other.seen[0].earlier_deliveries == 1


async def test_a_consumer_whose_queue_is_deleted_declares_and_consumes_again() -> None:
    """On the next turn of the loop."""
    shop = await opened()
    shop.broker.delete_queue("q")
    assert not shop.broker.is_at_rest()
    await let_the_loop_turn()
    await shop.publish("a")
    assert shop.bodies == ["a"]


async def test_a_queue_that_stays_away_is_looked_for_again() -> None:
    """Where the topology is not ours to declare."""
    shop = Shop(mode="off")
    shop.broker.declare_queue("q")
    await opened(shop)
    shop.broker.delete_queue("q")
    await let_the_loop_turn()
    shop.broker.declare_queue("q")
    await shop.clock.advance(SECOND)
    await shop.publish("a", key="q", exchange="")
    assert shop.bodies == ["a"]


async def test_subscribing_to_a_missing_queue() -> None:
    """An error that names it."""
    shop = await opened()
    with pytest.raises(TransportError, match="consuming queue 'none' failed: NOT_FOUND"):
        await shop.transport.subscribe("none", prefetch=1, deliver=shop.seen.append)
    with pytest.raises(TransportError, match="counting queue 'none' failed: NOT_FOUND"):
        await shop.transport.count("none")
    with pytest.raises(TransportError, match="taking from queue 'none' failed: NOT_FOUND"):
        await shop.transport.take("none")


async def test_taking_single_messages() -> None:
    """They count as delivered, and go back with the connection."""
    shop = Shop()
    await shop.transport.open(ORDERS)
    await shop.publish("a")
    first = await shop.transport.take("q")
    assert first is not None
    assert await shop.transport.take("q") is None
    assert await shop.transport.count("q") == 0
    first.give_back()
    assert await shop.transport.count("q") == 1
    await shop.transport.take("q")
    shop.broker.drop_connection("shop")
    await let_the_loop_turn()
    again = await shop.transport.take("q")
    assert again is not None
    assert again.earlier_deliveries == 2


DIFFERENT = Topology(
    (Exchange("events", "direct"), Exchange("new", "fanout")),
    (Queue("q", ttl=SECOND, max_length=5), Queue("other")),
)


async def test_every_difference_is_reported_and_nothing_is_created() -> None:
    """With what was wanted and what there is."""
    shop = await opened()
    second = MemoryTransport(shop.broker, service="second")
    with pytest.raises(TopologyError) as refused:
        await second.open(DIFFERENT)
    assert set(refused.value.differences) == {
        Difference("exchange", "events", "type", "direct", "topic"),
        Difference("queue", "q", "x-message-ttl", 1000, None),
        Difference("queue", "q", "x-max-length", 5, None),
    }
    assert "new" not in shop.broker.exchanges
    assert "other" not in shop.broker.queues


async def test_checking_creates_nothing_and_names_what_is_missing() -> None:
    """And is content with what is there."""
    shop = Shop(mode="check")
    with pytest.raises(TopologyError, match="queue 'q' is missing") as refused:
        await shop.transport.open(ORDERS)
    assert len(refused.value.problems) == 2
    await MemoryTransport(shop.broker, service="owner").open(ORDERS)
    await shop.transport.open(ORDERS)


async def test_what_can_not_be_declared_is_a_topology_error() -> None:
    """An argument that makes no sense, a binding to nothing."""
    broker = MemoryBroker()
    impossible = Topology(queues=(Queue("q", max_priority=5),))
    with pytest.raises(TopologyError, match="invalid arg 'x-max-priority'"):
        await MemoryTransport(broker, service="s").open(impossible)
    unbound = Topology(queues=(Queue("p"),), bindings=(Binding("none", "p"),))
    with pytest.raises(TopologyError, match="binding queue 'p' to exchange 'none' failed"):
        await MemoryTransport(broker, service="s").open(unbound)


async def test_who_publishes_without_end_starves_nobody() -> None:
    """The loop has a turn now and then."""
    shop = await opened()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    for _ in range(320):
        await shop.publish()
    counting.cancel()
    assert turns >= 10


async def test_messages_that_are_done_leave_nothing_behind() -> None:
    """Ten thousand more make no more objects."""
    shop = Shop()
    await shop.transport.open(ORDERS)
    await shop.transport.subscribe("q", prefetch=10, deliver=lambda delivery: delivery.ack())

    async def objects_after(count: int) -> int:
        for _ in range(count):
            await shop.publish(headers={"a": 1})
        gc.collect()
        return len(gc.get_objects())

    before = await objects_after(1000)
    assert await objects_after(10_000) - before < 100
