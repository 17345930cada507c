"""Code as users write it, that must pass `mypy --strict` without any plugin.

Never run: `test_typing` gives it to mypy, and so does `make check`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Generic, Protocol, TypeVar, assert_type
from uuid import UUID

from toolkit import (
    Command,
    ConfigurationError,
    Consumer,
    Context,
    DeadLetters,
    Discard,
    Event,
    Incoming,
    Message,
    Outgoing,
    Producer,
    Publishes,
    PublishReport,
    PublishTimeoutError,
    QueueOptions,
    Reject,
    Retry,
    RetryAfter,
    Sends,
    Service,
    Settings,
    Step,
    UnroutableError,
)
from toolkit.sending.producer import Outlet


class OrderPlaced(Event, name="orders.placed", version=2):
    """An event."""

    order_id: UUID
    total: Decimal
    note: str | None = None


class OrderCancelled(Event, name="orders.cancelled"):
    """Another one."""

    order_id: UUID


class ShipOrder(Command, name="shipping.ship-order"):
    """A command."""

    order_id: UUID


class OrderMessages(Producer):
    """A producer of both kinds, with every option."""

    placed = Publishes(OrderPlaced, required=True, ttl="1h", priority=3)
    cancelled = Publishes(OrderCancelled, ttl=timedelta(hours=1))
    ship = Sends(ShipOrder, ttl="1d", priority=1)


class InvalidAddress(Exception):
    """An error of the user's own."""


class Mailer(Protocol):
    """Something that is injected."""

    async def confirm(self, order: OrderPlaced) -> None:
        """Sends a mail."""
        ...


class SendConfirmation(Consumer[OrderPlaced]):
    """A consumer with every option."""

    retry = Retry(
        immediately=2, after=("1s", timedelta(minutes=1)), on=(OSError,), never=(InvalidAddress,)
    )
    dead_letters = DeadLetters(retain="14d", max_length=100_000)
    queue = QueueOptions(name="confirmations", type="classic", priorities=5, ttl="1h")
    concurrency = 20
    prefetch = 100
    timeout = "30s"

    def __init__(self, mailer: Mailer, *, retry: Retry | None = None) -> None:
        self.mailer = mailer
        if retry is not None:
            self.retry = retry

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Everything that a context has."""
        assert_type(message.total, Decimal)
        assert_type(context.message_id, str | None)
        assert_type(context.attempt, int)
        assert_type(context.redelivered, bool)
        context.log.info(
            "confirming", order=str(message.order_id), tenant=context.headers["tenant"]
        )
        await self.mailer.confirm(message)
        await context.publish(OrderCancelled(order_id=message.order_id), ttl="1h", priority=2)
        await context.send(ShipOrder(order_id=message.order_id), headers={"colour": "red"})
        if context.attempt > 1:
            raise RetryAfter("30s")
        if message.note is None:
            raise Reject("no note")
        raise Discard("seen before")


class Follow(Consumer[OrderPlaced | OrderCancelled]):
    """Two types; no limit for a run."""

    retry = Retry.exponential(
        first="1s", factor=2, cap=timedelta(minutes=5), attempts=8, jitter=0.2
    )
    timeout = None

    async def handle(self, message: OrderPlaced | OrderCancelled, context: Context) -> None:
        """Told apart as usual."""
        match message:
            case OrderPlaced(total=total):
                assert_type(total, Decimal)
            case OrderCancelled():
                assert_type(message.order_id, UUID)


M = TypeVar("M", bound=Message)


class Logging(Consumer[M], Generic[M]):
    """A base for any message."""

    async def handle(self, message: M, context: Context) -> None:
        """Leaves a line."""
        context.log.info("seen", message=message)


class LogShipping(Logging[ShipOrder]):
    """A consumer through such a base."""


async def publish(messages: OrderMessages, order: OrderPlaced) -> None:
    """One message, and many of every kind of iterable."""
    assert_type(messages.placed, Outlet[OrderPlaced])
    message_id = await messages.placed(
        order,
        message_id="order-1",
        correlation_id="story-1",
        headers={"tenant": "blue"},
        priority=1,
        ttl="1h",
        timeout=timedelta(seconds=5),
    )
    assert_type(message_id, str)
    await messages.ship(ShipOrder(order_id=order.order_id))

    def some() -> Iterator[OrderPlaced]:
        yield order

    async def others() -> AsyncIterator[OrderPlaced]:
        yield order

    everything: Iterable[OrderPlaced] = (order,)
    for source in ([order], everything, some()):
        report = await messages.placed.many(source, window=256, ttl="1h")
        assert_type(report, PublishReport)
    report = await messages.placed.many(others())
    assert_type(report.confirmed, int)
    for failure in report.failures:
        assert_type(failure.position, int)
        assert_type(failure.message_id, str | None)
    report.raise_for_failures()


async def timed(incoming: Incoming, proceed: Step[Incoming]) -> None:
    """Middleware on the way in."""
    async with asyncio.timeout(5):
        await proceed(incoming)


async def stamped(outgoing: Outgoing, proceed: Step[Outgoing]) -> None:
    """Middleware on the way out."""
    outgoing.publication.envelope.headers["tenant"] = "blue"
    await proceed(outgoing)


@asynccontextmanager
async def lifespan(service: Service) -> AsyncIterator[None]:
    """What a service needs around its work."""
    assert_type(service.is_running, bool)
    yield


async def embed(mailer: Mailer, order: OrderPlaced) -> None:
    """A service in any program."""
    service = Service(
        "shop",
        consumers=[SendConfirmation(mailer), Follow(), LogShipping()],
        producers=[OrderMessages],
        settings=Settings(amqp_url="amqp://localhost/", log_level="debug", heartbeat="10s"),
        lifespan=lifespan,
        receiving=[timed],
        sending=[stamped],
    )
    messages = OrderMessages(service)
    try:
        async with service as running:
            assert_type(running, Service)
            await publish(messages, order)
    except UnroutableError as error:
        assert_type(error.exchange, str)
    except PublishTimeoutError as error:
        assert_type(error.may_have_arrived, bool)
    except ConfigurationError as error:
        assert_type(error.problems, tuple[str, ...])


async def without_a_broker(mailer: Mailer, order: OrderPlaced, context: Context) -> None:
    """A consumer is a plain object."""
    await SendConfirmation(mailer).handle(order, context)
