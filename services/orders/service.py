"""Puts orders together: its database, its relay and its messaging.

Receives settings from the API, hands it a desk that takes orders.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from toolkit import Service

from .consumers import MarkNotified
from .database import Database
from .producer import OrderEvents
from .relay import Relay
from .settings import Settings
from .store import OrderStore


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """What the HTTP side works with."""

    store: OrderStore
    relay: Relay
    service: Service


def make_service(store: OrderStore) -> Service:
    """The messaging side: it announces, and it listens for what customers were told."""
    return Service("orders", consumers=[MarkNotified(store)], producers=[OrderEvents])


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[OrderDesk]:
    """Everything behind the HTTP side, started in order and stopped in the reverse one."""
    database = Database(settings.database_url)
    async with database.opened():
        store = OrderStore(database.sessions)
        service = make_service(store)
        relay = Relay(store, OrderEvents(service), every=settings.announce_every_seconds)
        # A task group, so that a relay that fails ends the process instead of going silent.
        async with service, asyncio.TaskGroup() as background:
            relaying = background.create_task(relay.run())
            yield OrderDesk(store, relay, service)
            relaying.cancel()
