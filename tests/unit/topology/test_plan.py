"""From declarations to everything that must exist on the broker, without a connection."""

from datetime import timedelta

import pytest

from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from toolkit import ConfigurationError, DeadLetters, Message, QueueOptions, Retry
from toolkit.messages.contract import contract_of
from toolkit.topology.declarations import UNLIMITED, Binding, Exchange, Queue, Topology
from toolkit.topology.plan import Subscription, plan, rungs_of, shared_queues


def subscription(
    *models: type[Message],
    consumer: str = "SendConfirmation",
    queue: str = "shop.send-confirmation",
    retry: Retry | None = None,
    dead_letters: DeadLetters | None = None,
    options: QueueOptions | None = None,
) -> Subscription:
    return Subscription(
        consumer=consumer,
        queue=queue,
        contracts=tuple(contract_of(model) for model in models),
        retry=retry or Retry(after=()),
        dead_letters=dead_letters or DeadLetters(),
        options=options or QueueOptions(),
    )


def queue_of(topology: Topology, name: str) -> Queue:
    (queue,) = (queue for queue in topology.queues if queue.name == name)
    return queue


def rung(name: str, ttl: timedelta) -> Queue:
    return Queue(
        name,
        delivery_limit=UNLIMITED,
        ttl=ttl,
        overflow="reject-publish",
        dead_letter_exchange="shop.return",
    )


def consumed(name: str) -> Queue:
    return Queue(
        name,
        delivery_limit=20,
        overflow="reject-publish",
        dead_letter_exchange="",
        dead_letter_routing_key=f"{name}.dead",
    )


def test_the_whole_topology_of_a_small_service() -> None:
    """Two consumers, an event, a command and a ladder of two rungs: this and nothing else."""
    confirm = subscription(OrderPlaced, OrderCancelled, retry=Retry(after=("1s", "1m")))
    ship = subscription(ShipOrder, consumer="Ship", queue="shop.ship")

    topology = plan("shop", [confirm, ship], [])

    assert set(topology.exchanges) == {
        Exchange("events", "topic"),
        Exchange("commands", "direct"),
        Exchange("shop.delay.1s", "fanout"),
        Exchange("shop.delay.1m", "fanout"),
        Exchange("shop.return", "direct", alternate="shop.parked"),
        Exchange("shop.parked", "fanout"),
    }
    assert sorted(topology.queues, key=lambda queue: queue.name) == [
        rung("shop.delay.1m", timedelta(minutes=1)),
        rung("shop.delay.1s", timedelta(seconds=1)),
        Queue("shop.parked", delivery_limit=UNLIMITED),
        consumed("shop.send-confirmation"),
        Queue("shop.send-confirmation.dead", delivery_limit=UNLIMITED),
        consumed("shop.ship"),
        Queue("shop.ship.dead", delivery_limit=UNLIMITED),
        Queue("shop.suspects", delivery_limit=UNLIMITED),
    ]
    assert set(topology.bindings) == {
        Binding("events", "shop.send-confirmation", "orders.placed"),
        Binding("events", "shop.send-confirmation", "orders.cancelled"),
        Binding("commands", "shop.ship", "shipping.ship-order"),
        Binding("shop.delay.1s", "shop.delay.1s"),
        Binding("shop.delay.1m", "shop.delay.1m"),
        Binding("shop.return", "shop.send-confirmation", "shop.send-confirmation"),
        Binding("shop.return", "shop.ship", "shop.ship"),
        Binding("shop.parked", "shop.parked"),
    }


def test_a_rung_waits_and_then_gives_back_what_it_has() -> None:
    """No message waits behind a longer one, none is dropped, none is thrown away with its queue."""
    topology = plan("shop", [subscription(OrderPlaced, retry=Retry(after=("5s",)))], [])
    assert queue_of(topology, "shop.delay.5s").arguments((4, 0)) == {
        "x-queue-type": "quorum",
        "x-delivery-limit": -1,
        "x-message-ttl": 5_000,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "shop.return",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_only_the_rungs_that_policies_name_are_declared() -> None:
    """Those of all policies together, each once; a ladder belongs to the service."""
    subscriptions = [
        subscription(OrderPlaced, queue="shop.a", retry=Retry(after=("30s", "1s"))),
        subscription(OrderPlaced, queue="shop.b", retry=Retry(after=("500ms", "30s", "2m"))),
    ]
    topology = plan("shop", subscriptions, [])
    rungs = [queue.name for queue in topology.queues if ".delay." in queue.name]
    assert rungs == ["shop.delay.1s", "shop.delay.30s", "shop.delay.2m"]
    assert rungs_of(subscriptions) == tuple(timedelta(seconds=n) for n in (1, 30, 120))


def test_a_service_that_delays_nothing_has_no_ladder() -> None:
    """Neither rungs nor a way back nor a park."""
    topology = plan("shop", [subscription(OrderPlaced)], [])
    assert [exchange.name for exchange in topology.exchanges] == ["events"]
    assert {queue.name for queue in topology.queues} == {
        "shop.suspects",
        "shop.send-confirmation",
        "shop.send-confirmation.dead",
    }


def test_a_service_that_only_publishes_needs_no_queue() -> None:
    """Just the exchanges for what it publishes."""
    only_events = plan("shop", [], [contract_of(OrderPlaced)])
    commands_too = plan("shop", [], [contract_of(OrderPlaced), contract_of(ShipOrder)])
    assert only_events == Topology(exchanges=(Exchange("events", "topic"),))
    assert set(commands_too.exchanges) == {
        Exchange("events", "topic"),
        Exchange("commands", "direct"),
    }


def test_a_service_that_does_nothing_needs_nothing() -> None:
    """Not even an exchange."""
    assert plan("shop", [], []) == Topology()


def test_a_queue_is_as_its_options_say() -> None:
    """Each option, and the dead letters as their policy says."""
    topology = plan(
        "shop",
        [
            subscription(
                OrderPlaced,
                queue="mine",
                dead_letters=DeadLetters(retain="14d", max_length=1_000),
                options=QueueOptions(
                    name="mine",
                    type="classic",
                    max_length=10,
                    max_bytes=2_000,
                    ttl="1h",
                    single_active_consumer=True,
                    priorities=5,
                    bindings=("orders.#",),
                    arguments={"x-queue-mode": "lazy"},
                ),
            )
        ],
        [],
    )
    assert queue_of(topology, "mine").arguments((4, 0)) == {
        "x-queue-type": "classic",
        "x-message-ttl": 3_600_000,
        "x-max-length": 10,
        "x-max-length-bytes": 2_000,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "mine.dead",
        "x-single-active-consumer": True,
        "x-max-priority": 5,
        "x-queue-mode": "lazy",
    }
    assert queue_of(topology, "mine.dead").arguments((3, 10)) == {
        "x-queue-type": "quorum",
        "x-message-ttl": 14 * 24 * 3_600_000,
        "x-max-length": 1_000,
    }
    assert Binding("events", "mine", "orders.#") in topology.bindings


@pytest.mark.parametrize("queue", ["shop.parked", "shop.suspects", "shop.delay.1s", "shop.b.dead"])
def test_a_queue_that_would_be_one_of_ours_is_refused(queue: str) -> None:
    """A consumer can't take the name of a queue that has another purpose."""
    retry = Retry(after=("1s",))
    with pytest.raises(ConfigurationError, match=f"'{queue}' is declared twice"):
        plan(
            "shop",
            [
                subscription(OrderPlaced, queue=queue, retry=retry),
                subscription(OrderPlaced, queue="shop.b", retry=retry),
            ],
            [],
        )


def test_consumers_that_would_share_a_queue_are_named() -> None:
    """With the queue, and what to write in one of them."""
    one = subscription(OrderPlaced, consumer="SendHTTPMail", queue="shop.send-http-mail")
    other = subscription(OrderCancelled, consumer="SendHttpMail", queue="shop.send-http-mail")
    (problem,) = shared_queues([one, subscription(OrderPlaced, queue="shop.else"), other])
    for part in ("SendHTTPMail", "SendHttpMail", "'shop.send-http-mail'", 'QueueOptions(name="'):
        assert part in problem


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (QueueOptions(type="stream"), "'stream' is neither"),  # type: ignore[arg-type]
        (QueueOptions(priorities=5), "takes no `priorities`"),
        (QueueOptions(type="classic", priorities=0), "priorities"),
        (QueueOptions(type="classic", priorities=256), "priorities"),
        (QueueOptions(delivery_limit=4), "undercuts the crash budget"),
        (QueueOptions(delivery_limit=0), "undercuts the crash budget"),
        (QueueOptions(delivery_limit="many"), "'many'"),  # type: ignore[arg-type]
        (QueueOptions(name=""), "1 to 200 letters"),
        (QueueOptions(name="x" * 201), "1 to 200 letters"),
        (QueueOptions(name="ship orders"), "1 to 200 letters"),
        (QueueOptions(name="amq.ship"), "belong to the broker"),
        (QueueOptions(arguments={"x-odd": [1]}), "'x-odd'"),
        (QueueOptions(max_length=0), "max_length must be 1 or more"),
        (QueueOptions(max_bytes=-1), "max_bytes must be 1 or more"),
        (QueueOptions(ttl="soon"), "ttl: 'soon' is not a duration"),
    ],
)
def test_an_option_that_can_not_work_is_a_problem(options: QueueOptions, said: str) -> None:
    """One sentence each, that names the option."""
    (problem,) = options.problems(crash_budget=3)
    assert said in problem


@pytest.mark.parametrize("limit", [5, 20, UNLIMITED])
def test_a_delivery_limit_that_leaves_room_for_the_crash_budget_is_none(limit: int) -> None:
    """The policy must be able to act before the broker does."""
    assert not list(QueueOptions(delivery_limit=limit).problems(crash_budget=3))


def test_every_problem_of_the_options_is_listed() -> None:
    """Nobody has to start twice."""
    options = QueueOptions(name="", max_length=0, max_bytes=0, ttl="x", priorities=1)
    assert len(list(options.problems(crash_budget=3))) == 5
