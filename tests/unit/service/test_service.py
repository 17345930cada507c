"""A service finds what can't work before anything connects, and computes what it needs."""

from typing import Any

import pytest

from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from toolkit import (
    ConfigurationError,
    Consumer,
    Context,
    Event,
    Producer,
    Publishes,
    QueueOptions,
    Retry,
    Sends,
    Service,
    Settings,
    TransportError,
)
from toolkit.topology.plan import plan


class SendConfirmation(Consumer[OrderPlaced]):
    """A consumer that can work."""

    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


class Ship(Consumer[ShipOrder]):
    """Another one."""

    async def handle(self, message: ShipOrder, context: Context) -> None: ...


class OrderEvents(Producer):
    """A producer that can work."""

    placed = Publishes(OrderPlaced)
    cancelled = Publishes(OrderCancelled)


def problems_of(**declared: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError, match=r"^Service 'shop' can't work:") as caught:
        Service("shop", settings=Settings(), **declared)
    return caught.value.problems


def test_the_topology_is_known_without_a_connection() -> None:
    """From consumers and producers together."""
    service = Service("shop", consumers=[SendConfirmation(), Ship()], producers=[OrderEvents])
    assert service.topology == plan("shop", service.subscriptions, service.published)
    assert [subscription.queue for subscription in service.subscriptions] == [
        "shop.send-confirmation",
        "shop.ship",
    ]
    assert [contract.name for contract in service.published] == [
        "orders.placed",
        "orders.cancelled",
    ]
    assert not service.is_running


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service may have its own."""
    monkeypatch.setenv("TOOLKIT_LOG_LEVEL", "error")
    assert Service("shop").settings.log_level == "error"
    assert Service("shop", settings=Settings(log_level="debug")).settings.log_level == "debug"


@pytest.mark.parametrize("name", ["", "Shop", "shop.eu", "shop_eu", "x" * 61])
def test_a_service_needs_a_name_that_can_be_part_of_others(name: str) -> None:
    """The error repeats it."""
    with pytest.raises(ConfigurationError, match=f"'{name}' is no name for a service"):
        Service(name)


class Wrong(Consumer[OrderPlaced]):
    """Nothing about it is right."""

    concurrency = 0
    timeout = "soon"
    queue = QueueOptions(delivery_limit=1, max_length=0)


class WrongEvents(Producer):
    """Nor about this."""

    ship = Publishes(ShipOrder)  # type: ignore[type-var]
    hasty = Publishes(OrderPlaced, ttl="soon")


def test_every_problem_of_every_declaration_is_listed_at_once() -> None:
    """Consumers and producers, classes and instances, numbers and names."""
    problems = problems_of(
        consumers=[Wrong(), SendConfirmation, "Ship"],
        producers=[WrongEvents, OrderEvents(Service("a", producers=[OrderEvents]))],
    )
    said = [
        "Wrong: has no `async def handle",
        "Wrong: `concurrency` must be",
        "Wrong: timeout: 'soon'",
        "Wrong: a delivery limit of 1",
        "Wrong: max_length must be 1 or more",
        "SendConfirmation'> is not a consumer; pass an instance of it",
        "'Ship' is not a consumer",
        "WrongEvents.ship: ShipOrder is a command; use Sends",
        "WrongEvents.hasty: 'soon'",
        "is not a producer class; pass the class, not an instance",
    ]
    assert len(problems) == len(said)
    for problem, part in zip(problems, said, strict=True):
        assert part in problem


def test_the_crash_budget_is_that_of_the_settings() -> None:
    """A delivery limit that fits one budget may undercut another."""
    consumer = SendConfirmation()
    consumer.queue = QueueOptions(delivery_limit=10)
    Service("shop", consumers=[consumer], settings=Settings(crash_budget=8))
    with pytest.raises(ConfigurationError, match="undercuts the crash budget of 9"):
        Service("shop", consumers=[consumer], settings=Settings(crash_budget=9))


# ---------------------------------------------------------------------------------- together


class AnotherOrderPlaced(Event, name="orders.placed"):
    """A second class under one name."""


class Follow(Consumer[AnotherOrderPlaced]):
    """Takes it."""

    async def handle(self, message: AnotherOrderPlaced, context: Context) -> None: ...


def test_two_messages_of_one_name_are_refused() -> None:
    """Both classes are named, with their modules."""
    (problem,) = problems_of(consumers=[SendConfirmation(), Follow()])
    assert "tests.unit.orders.OrderPlaced" in problem
    assert "test_service.AnotherOrderPlaced" in problem
    assert "'orders.placed'" in problem


def test_two_consumers_of_one_queue_are_refused() -> None:
    """Also the same class twice; the queue is named, and what to do."""
    (problem,) = problems_of(consumers=[SendConfirmation(), SendConfirmation()])
    assert "'shop.send-confirmation'" in problem
    assert 'QueueOptions(name="...")' in problem


def test_a_consumer_may_be_used_twice_under_two_names() -> None:
    """As the error advises."""
    other = SendConfirmation()
    other.queue = QueueOptions(name="shop.others")
    service = Service("shop", consumers=[SendConfirmation(), other])
    assert [s.queue for s in service.subscriptions] == ["shop.send-confirmation", "shop.others"]


class Parked(Consumer[OrderPlaced]):
    """A consumer whose queue would be one of ours."""

    retry = Retry(after=("1s",))

    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


def test_a_consumer_whose_queue_would_be_one_of_ours_is_refused() -> None:
    """The error names the queue."""
    with pytest.raises(ConfigurationError, match=r"shop\.parked"):
        Service("shop", consumers=[Parked()])


def test_a_queue_name_that_no_broker_takes_is_refused() -> None:
    """A class's name can be longer than a queue's."""
    long = type("Ship" * 70, (SendConfirmation,), {})
    with pytest.raises(ConfigurationError, match="ShipShip"):
        Service("shop", consumers=[long()])


class StrictEvents(Producer):
    """Declares one message otherwise than another producer does."""

    placed = Publishes(OrderPlaced, required=True)


class SameEvents(Producer):
    """Declares it alike."""

    placed = Publishes(OrderPlaced)


def test_two_declarations_of_one_message_must_agree() -> None:
    """Else one of them would silently lose what it asked for."""
    (problem,) = problems_of(producers=[OrderEvents, StrictEvents])
    assert "OrderPlaced" in problem
    Service("shop", producers=[OrderEvents, SameEvents])


# ---------------------------------------------------------------------------------- publishing


class Undeclared(Producer):
    """Not among a service's producers."""

    ship = Sends(ShipOrder)


def test_a_producer_must_be_declared() -> None:
    """Because the topology is made of declarations; the error shows the line to write."""
    with pytest.raises(ConfigurationError, match=r"Service\('shop', producers=\[Undeclared\]\)"):
        Undeclared(Service("shop", producers=[OrderEvents]))


async def test_a_service_that_does_not_run_does_not_publish() -> None:
    """The error says how to run it."""
    service = Service("shop", producers=[OrderEvents])
    with pytest.raises(TransportError, match="async with service"):
        await OrderEvents(service).placed(OrderPlaced(order_id=1))
    with pytest.raises(TransportError, match="isn't running"):
        _ = service.broker


async def test_stopping_what_does_not_run_does_nothing() -> None:
    """Once or twice."""
    service = Service("shop")
    await service.stop()
    await service.stop()
    assert service.missing == ()
