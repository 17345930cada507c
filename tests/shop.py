"""The contracts and consumers that tests share: a shop, as small as it can be.

Receives settings from tests, hands them services whose handlers write down what they see.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toolkit import Command, Consumer, Context, Event, Producer, Publishes, Sends, Service, Settings


class Placed(Event, name="shop.placed"):
    """An order was placed."""

    number: int


class Cancelled(Event, name="shop.cancelled"):
    """An order was cancelled."""

    number: int


class Notified(Event, name="shop.notified"):
    """A customer was told."""

    number: int


class Ship(Command, name="shop.ship"):
    """Send it off."""

    number: int


class ShopEvents(Producer):
    """All that the shop says."""

    placed = Publishes(Placed)
    cancelled = Publishes(Cancelled)
    notified = Publishes(Notified)
    ship = Sends(Ship)


@dataclass(frozen=True)
class Seen:
    """One run of a handler."""

    message: Any
    message_id: str | None
    attempt: int
    redelivered: bool
    at: datetime


Behaviour = Callable[[Placed, Context], Awaitable[None]]


async def succeed(_: Placed, __: Context) -> None:
    """A handler without work."""


class Handle(Consumer[Placed]):
    """Does what it is told to with each order, and writes down every run."""

    timeout = "30s"

    def __init__(self, behaviour: Behaviour = succeed, **options: Any) -> None:
        self.behaviour = behaviour
        self.seen: list[Seen] = []
        self.done: list[int] = []
        self.running = 0
        self.most_running = 0
        for name, value in options.items():
            setattr(self, name, value)

    async def handle(self, message: Placed, context: Context) -> None:
        """Runs the behaviour."""
        self.seen.append(
            Seen(
                message,
                context.message_id,
                context.attempt,
                context.redelivered,
                datetime.now(UTC),
            )
        )
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.behaviour(message, context)
        finally:
            self.running -= 1
        self.done.append(message.number)


class Gate:
    """A behaviour that waits inside the handler until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.is_open = asyncio.Event()

    async def __call__(self, _: Placed, __: Context) -> None:
        """Says that it has begun, and waits."""
        self.entered.release()
        await self.is_open.wait()


def shop(url: str, *consumers: Consumer[Any], **options: Any) -> Service:
    """A service called "shop" that can publish everything."""
    settings = Settings(
        amqp_url=url,
        publish_timeout=options.pop("publish_timeout", "10s"),
        shutdown_grace=options.pop("shutdown_grace", "5s"),
        crash_budget=options.pop("crash_budget", 3),
    )
    producers: Sequence[type[Producer]] = options.pop("producers", (ShopEvents,))
    return Service("shop", consumers=consumers, producers=producers, settings=settings, **options)
