"""Declared consumers: what can't work is found before anything connects, all of it at once."""

from datetime import timedelta
from typing import Any, Generic, TypeVar

import pytest

from tests.unit.deliveries import delivery
from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from tests.unit.postbox import Postbox
from tests.unit.sending.pipelines import pipeline
from toolkit import Consumer, Context, DeadLetters, Event, Message, QueueOptions, Retry
from toolkit.messages.contract import contract_of
from toolkit.receiving.consumer import (
    message_types,
    prefetch_of,
    problems_of,
    subscription_of,
    timeout_of,
)
from toolkit.topology.plan import Subscription

M = TypeVar("M", bound=Message)


class SendConfirmation(Consumer[OrderPlaced]):
    """A consumer as most people write it."""

    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


class Follow(Consumer[OrderPlaced | OrderCancelled]):
    """Two types in one queue."""

    async def handle(self, message: OrderPlaced | OrderCancelled, context: Context) -> None: ...


class Logging(Consumer[M], Generic[M]):
    """A base of the user's own, for any message."""

    async def handle(self, message: M, context: Context) -> None: ...


class LogShipping(Logging[ShipOrder]):
    """A consumer that names its message through such a base."""


class SendFaster(SendConfirmation):
    """A consumer that differs from another in its numbers only."""

    concurrency = 2


def problems(consumer: object) -> list[str]:
    return list(problems_of(consumer, crash_budget=3))


# ---------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("consumer", "models"),
    [
        (SendConfirmation, (OrderPlaced,)),
        (Follow, (OrderPlaced, OrderCancelled)),
        (LogShipping, (ShipOrder,)),
        (SendFaster, (OrderPlaced,)),
        (Logging, ()),
        (Consumer, ()),
    ],
)
def test_the_types_stand_in_the_brackets(
    consumer: type[Consumer[Any]], models: tuple[type[Message], ...]
) -> None:
    """Of the class itself, or of the base that names them."""
    assert message_types(consumer) == models


def test_a_consumer_asks_for_its_queue_under_its_own_name() -> None:
    """Everything that isn't said has a safe default."""
    assert subscription_of("shop", Follow()) == Subscription(
        consumer="Follow",
        queue="shop.follow",
        contracts=(contract_of(OrderPlaced), contract_of(OrderCancelled)),
        retry=Retry(immediately=2, after=("1s", "5s", "30s", "2m")),
        dead_letters=DeadLetters(),
        options=QueueOptions(type="quorum", delivery_limit=20),
    )


def test_policies_may_be_chosen_for_one_instance() -> None:
    """Consumers are plain objects, so a constructor can set what a class otherwise would."""
    consumer = SendConfirmation()
    consumer.retry = Retry(after=())
    consumer.queue = QueueOptions(name="confirmations")
    subscription = subscription_of("shop", consumer)
    assert subscription.retry == Retry(after=())
    assert subscription.queue == "confirmations"
    assert subscription.dead_letter_queue == "confirmations.dead"


def test_prefetch_is_four_for_each_slot_unless_set() -> None:
    """And never more than AMQP's 16 bits hold."""
    consumer = SendConfirmation()
    assert prefetch_of(consumer) == 16 * 4
    consumer.prefetch = 20
    assert prefetch_of(consumer) == 20
    consumer.prefetch, consumer.concurrency = None, 20_000
    assert prefetch_of(consumer) == 65_535


def test_a_timeout_is_a_duration_or_none() -> None:
    """None means no limit."""
    consumer = SendConfirmation()
    assert timeout_of(consumer) == timedelta(minutes=5)
    consumer.timeout = None
    assert timeout_of(consumer) is None


# ---------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("consumer", [SendConfirmation(), Follow(), LogShipping(), SendFaster()])
def test_a_consumer_that_can_work_has_no_problems(consumer: Consumer[Any]) -> None:
    """Whichever way it was written."""
    assert problems(consumer) == []


def test_a_class_is_no_consumer_yet() -> None:
    """The most common slip gets its own sentence."""
    (problem,) = problems(SendConfirmation)
    assert "is not a consumer; pass an instance of it" in problem


@pytest.mark.parametrize("thing", [None, "SendConfirmation", object(), int])
def test_anything_else_is_no_consumer(thing: object) -> None:
    """It is repeated, so that it can be found."""
    assert problems(thing) == [f"{thing!r} is not a consumer"]


class NoTypes(Consumer):  # type: ignore[type-arg]
    """No brackets."""

    async def handle(self, message: Any, context: Context) -> None: ...


class NoHandle(Consumer[OrderPlaced]):
    """Nothing that handles."""


class NotAsync(Consumer[OrderPlaced]):
    """A plain function."""

    def handle(self, message: OrderPlaced, context: Context) -> None: ...  # type: ignore[override]


class Nameless(Event):
    """No contract."""


class NoName(Consumer[Nameless]):
    """A message without a name."""

    async def handle(self, message: Nameless, context: Context) -> None: ...


class NoMessage(Consumer[int]):  # type: ignore[type-var]
    """Something else than a message."""

    async def handle(self, message: int, context: Context) -> None: ...


class Quoted(Consumer["OrderPlaced"]):
    """A message's name instead of a message."""

    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


@pytest.mark.parametrize(
    ("consumer", "said"),
    [
        (NoTypes(), "names no message; derive from Consumer[YourEvent]"),
        (NoHandle(), "has no `async def handle(self, message, context)`"),
        (NotAsync(), "`handle` must be `async def`"),
        (NoName(), 'Nameless has no name; define it as `class Nameless(Event, name="...")`'),
        (NoMessage(), "<class 'int'> is not a message class"),
        (Quoted(), "ForwardRef('OrderPlaced') is not a message class"),
    ],
)
def test_a_class_that_can_not_work_says_why(consumer: Consumer[Any], said: str) -> None:
    """One sentence, that begins with the consumer's name."""
    assert problems(consumer) == [f"{consumer.name}: {said}"]


BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "`concurrency` must be a whole number from 1 to 65535, not 0"),
    ({"prefetch": 65_536}, "`prefetch` must be a whole number from 1 to 65535, not 65536"),
    ({"concurrency": "4"}, "`concurrency` must be a whole number from 1 to 65535, not '4'"),
    ({"prefetch": 4}, "a prefetch of 4 leaves some of 16 slots idle"),
    ({"timeout": "soon"}, "timeout: 'soon' is not a duration"),
    ({"timeout": 30}, "timeout: 30 is not a duration"),
    ({"timeout": "0s"}, "`timeout` must be longer than zero; None means no limit"),
    ({"retry": "3 times"}, "`retry` must be a Retry, not '3 times'"),
    ({"dead_letters": "14d"}, "`dead_letters` must be a DeadLetters, not '14d'"),
    ({"queue": "orders"}, "`queue` must be a QueueOptions, not 'orders'"),
    ({"queue": QueueOptions(delivery_limit=1)}, "undercuts the crash budget"),
]


def with_values(values: dict[str, Any]) -> Consumer[Any]:
    consumer = SendConfirmation()
    for name, value in values.items():
        setattr(consumer, name, value)
    return consumer


@pytest.mark.parametrize(("values", "said"), BAD_VALUES)
def test_a_value_that_can_not_work_says_why(values: dict[str, Any], said: str) -> None:
    """One sentence, that names the attribute and repeats the value."""
    (problem,) = problems(with_values(values))
    assert problem.startswith("SendConfirmation: ")
    assert said in problem


@pytest.mark.parametrize(("concurrency", "prefetch"), [(1, 1), (1, 65_535), (65_535, 65_535)])
def test_the_smallest_and_the_largest_numbers_can_work(concurrency: int, prefetch: int) -> None:
    """AMQP's prefetch has 16 bits."""
    assert problems(with_values({"concurrency": concurrency, "prefetch": prefetch})) == []


async def test_a_consumer_without_a_handler_says_so_in_a_test_too() -> None:
    """Where nobody has checked it before."""
    sending = pipeline(Postbox())
    context = Context(delivery(), queue="q", consumer="NoHandle", sending=sending)
    with pytest.raises(NotImplementedError, match="NoHandle has no `handle`"):
        await NoHandle().handle(OrderPlaced(order_id=1), context)


def test_every_problem_of_a_consumer_is_listed_at_once() -> None:
    """Nobody has to start seven times."""
    consumer = NoTypes()
    for name, value in {
        "concurrency": -1,
        "prefetch": -5,
        "timeout": "soon",
        "retry": None,
        "dead_letters": None,
        "queue": None,
    }.items():
        setattr(consumer, name, value)
    said = "\n".join(problems(consumer))
    for name in (
        "names no message",
        "concurrency",
        "prefetch",
        "timeout",
        "retry",
        "dead_",
        "queue",
    ):
        assert name in said
