"""Puts orders together: its database, its relay and its messaging.

Receives settings, hands the HTTP side a desk that takes orders, and whoever runs it a service.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from toolkit import Service
from toolkit.health.watchdog import Watchdog

from .consumers import MarkNotified
from .database import Database
from .producer import OrderEvents
from .relay import Relay
from .settings import Settings, read_settings
from .store import OrderStore


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """What the HTTP side works with, for as long as the service runs."""

    store: OrderStore
    relay: Relay
    service: Service
    watchdog: Watchdog

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service runs for as long as the block lasts, in an event loop that is watched."""
        async with self.watchdog, self.service:
            yield


def make_desk(settings: Settings | None = None) -> OrderDesk:
    """Everything behind the HTTP side, connected to nothing yet: `async with desk.running()`."""
    settings = settings or read_settings()
    database = Database(settings.database_url)
    store = OrderStore(database.sessions)

    @asynccontextmanager
    async def lifespan(_: Service) -> AsyncIterator[None]:
        # A task group, so that a relay that fails ends the process instead of going silent.
        async with database.opened(), asyncio.TaskGroup() as background:
            relaying = background.create_task(relay.run())
            yield
            relaying.cancel()

    service = Service(
        "orders",
        consumers=[MarkNotified(store)],
        producers=[OrderEvents],
        lifespan=lifespan,
    )
    relay = Relay(store, OrderEvents(service), every=settings.announce_every_seconds)
    return OrderDesk(store, relay, service, Watchdog(service.settings.stall_limit))


def make_service(settings: Settings | None = None) -> Service:
    """The messaging alone, without HTTP; what `toolkit run orders` starts."""
    return make_desk(settings).service
