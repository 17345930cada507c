"""Slips that must not pass `mypy --strict`: each line says with which error it is refused.

Never run. `test_typing` takes the comments away and expects exactly these errors; with them the
file is clean for `make check`, which complains of a comment that nothing needs any more.
"""

from datetime import timedelta
from uuid import UUID

from toolkit import (
    Command,
    Consumer,
    Context,
    DeadLetters,
    Event,
    Incoming,
    Message,
    Outgoing,
    Producer,
    Publishes,
    QueueOptions,
    Retry,
    RetryAfter,
    Sends,
    Service,
    Step,
)


class OrderPlaced(Event, name="orders.placed"):
    """An event."""

    order_id: UUID


class OrderCancelled(Event, name="orders.cancelled"):
    """Another one."""

    order_id: UUID


class ShipOrder(Command, name="shipping.ship-order"):
    """A command."""

    order_id: UUID


class OrderMessages(Producer):
    """A producer, half of it wrong."""

    placed = Publishes(OrderPlaced)
    ship = Sends(ShipOrder)

    command = Publishes(ShipOrder)  # type: ignore[type-var]
    event = Sends(OrderPlaced)  # type: ignore[type-var]
    text = Publishes("orders.placed")  # type: ignore[arg-type, var-annotated]
    seconds = Publishes(OrderPlaced, ttl=5)  # type: ignore[arg-type]
    required = Sends(ShipOrder, required=True)  # type: ignore[call-arg]
    positional = Publishes(OrderPlaced, True)  # type: ignore[call-arg]


async def publish(messages: OrderMessages, order: OrderPlaced, cancelled: OrderCancelled) -> None:
    """Wrong messages and wrong options."""
    await messages.placed(cancelled)  # type: ignore[arg-type]
    await messages.placed({"order_id": 1})  # type: ignore[arg-type]
    await messages.placed()  # type: ignore[call-arg]
    await messages.ship(order)  # type: ignore[arg-type]
    await messages.placed(order, timeout=5)  # type: ignore[arg-type]
    await messages.placed(order, "order-1")  # type: ignore[call-arg]
    await messages.placed(order, delay="5s")  # type: ignore[call-arg]
    await messages.placed.many([cancelled])  # type: ignore[list-item]
    await messages.placed.many(order)  # type: ignore[arg-type]
    await messages.shipped(order)  # type: ignore[attr-defined]


class AnotherMessage(Consumer[OrderPlaced]):
    """A handler for another message."""

    async def handle(self, message: ShipOrder, context: Context) -> None:  # type: ignore[override]
        """Wrong."""


class HalfOfIt(Consumer[OrderPlaced | OrderCancelled]):
    """A handler for one of two messages."""

    async def handle(self, message: OrderPlaced, context: Context) -> None:  # type: ignore[override]
        """Wrong."""


class NoContext(Consumer[OrderPlaced]):
    """A handler with a parameter missing."""

    async def handle(self, message: OrderPlaced) -> None:  # type: ignore[override]
        """Wrong."""


class NotAsync(Consumer[OrderPlaced]):
    """A handler that doesn't wait for anything."""

    def handle(self, message: OrderPlaced, context: Context) -> None:  # type: ignore[override]
        """Wrong."""


class NotAMessage(Consumer[str]):  # type: ignore[type-var]
    """Something else in the brackets."""


class NoBrackets(Consumer):  # type: ignore[type-arg]
    """Nothing in the brackets."""


class WrongPolicies(Consumer[OrderPlaced]):
    """Text where policies belong."""

    retry = "3 times"  # type: ignore[assignment]
    dead_letters = "14d"  # type: ignore[assignment]
    queue = "orders"  # type: ignore[assignment]
    concurrency = "4"  # type: ignore[assignment]
    timeout = 30  # type: ignore[assignment]

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Wrong publishes."""
        await context.publish(ShipOrder(order_id=message.order_id))  # type: ignore[arg-type]
        await context.send(message)  # type: ignore[arg-type]
        await context.publish(message, message_id="mine")  # type: ignore[call-arg]
        context.headers["colour"] = "red"  # type: ignore[index]
        context.message_id = "mine"  # type: ignore[misc]
        raise RetryAfter(30)  # type: ignore[arg-type]


Retry(2)  # type: ignore[call-arg]
Retry(after=(5,))  # type: ignore[arg-type]
Retry(on=("OSError",))  # type: ignore[arg-type]
Retry.exponential(first=1)  # type: ignore[arg-type]
DeadLetters("14d")  # type: ignore[call-arg]
DeadLetters(retain=timedelta(days=1), max_length="many")  # type: ignore[arg-type]
QueueOptions(type="stream")  # type: ignore[arg-type]


async def wrong_way(outgoing: Outgoing, proceed: Step[Outgoing]) -> None:
    """Middleware for the way out."""
    await proceed(Incoming)  # type: ignore[arg-type]


def compose(messages: OrderMessages, message: Message) -> None:
    """Wrong parts of a service."""
    Service("shop", consumers=[AnotherMessage])  # type: ignore[list-item]
    Service("shop", producers=[messages])  # type: ignore[list-item]
    Service("shop", receiving=[wrong_way])  # type: ignore[list-item]
    Service("shop", [AnotherMessage()])  # type: ignore[call-arg]
    OrderMessages("shop")  # type: ignore[arg-type]
