"""The two sample services as a test needs them, and the customer's side of orders.

Receives a folder for databases and a mail server, hands tests services that are connected to
nothing yet, or running ones where the test is about processes and brokers.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from demo.mail_server import MailServer
from services.notifications import service as notifications_service
from services.notifications.settings import Settings as NotificationSettings
from services.orders import service as orders_service
from services.orders.api import make_app
from services.orders.service import OrderDesk
from services.orders.settings import Settings as OrderSettings
from tests.outsider import eventually
from toolkit import Service
from toolkit.testing import ServiceHarness

Harness = Callable[..., ServiceHarness]
Order = dict[str, Any]

_NEVER_BY_ITSELF = 3600.0
"""Seconds: what is announced within a test is announced at the start or because of a nudge."""


class Shop:
    """The customer's side of orders."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def place(self, customer: str = "ada@example.com", **changes: Any) -> Order:
        response = await self.http.post("/orders", json=wish(customer, **changes))
        assert response.status_code == 201, response.text
        order: Order = response.json()
        return order

    async def look_at(self, order: Order) -> Order:
        response = await self.http.get(f"/orders/{order['order_id']}")
        assert response.status_code == 200, response.text
        found: Order = response.json()
        return found

    async def until_notified(self, order: Order, *, within: float = 15.0) -> Order:
        async def is_notified() -> bool:
            return bool((await self.look_at(order))["customer_notified"])

        await eventually(is_notified, within=within)
        return await self.look_at(order)

    async def until_announced(self, order: Order, *, within: float = 15.0) -> Order:
        """A moment after the broker's confirm the database knows of it too."""

        async def is_announced() -> bool:
            return bool((await self.look_at(order))["milestones"][-1]["announced_at"])

        await eventually(is_announced, within=within)
        return await self.look_at(order)


def wish(customer: str = "ada@example.com", **changes: Any) -> dict[str, Any]:
    line = {"product": "Darjeeling", "quantity": 2, "unit_price": "4.50"}
    return {"customer_email": customer, "lines": [line]} | changes


def make_desk(folder: Path, *, announce_every_seconds: float = _NEVER_BY_ITSELF) -> OrderDesk:
    """Orders, with its database in `folder`."""
    return orders_service.make_desk(
        OrderSettings(
            database_url=f"sqlite+aiosqlite:///{folder}/orders.db",
            announce_every_seconds=announce_every_seconds,
        )
    )


def make_notifications(
    folder: Path, mail_server: MailServer, *, retry_after: tuple[str, ...] = ("1s", "1s")
) -> Service:
    """Notifications, with its database in `folder`: two of them are two processes of it."""
    return notifications_service.make_service(
        NotificationSettings(
            database_url=f"sqlite+aiosqlite:///{folder}/notifications.db",
            smtp_port=mail_server.port,
            retry_after=retry_after,
        )
    )


@asynccontextmanager
async def asking(desk: OrderDesk) -> AsyncIterator[Shop]:
    """HTTP without a socket in between, and without the lifespan: others start the service."""
    transport = httpx.ASGITransport(make_app(desk))
    async with httpx.AsyncClient(transport=transport, base_url="http://orders") as http:
        yield Shop(http)


@asynccontextmanager
async def running_orders(folder: Path, **changes: Any) -> AsyncIterator[Shop]:
    """Orders on the broker in the environment, started by its application."""
    desk = make_desk(folder, **changes)
    app = make_app(desk)
    async with app.router.lifespan_context(app), asking(desk) as shop:
        yield shop
