"""Both sample services around one test: a broker's virtual host, a mail server, a database each.

Receives fixtures, hands a test what it needs to place an order and to see what comes of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from demo.mail_server import MailServer
from services.notifications.service import make_service as make_notifications
from services.notifications.settings import Settings as NotificationSettings
from services.orders.api import make_app
from services.orders.service import make_desk
from services.orders.settings import Settings as OrderSettings
from tests.outsider import eventually
from toolkit import Service

Order = dict[str, Any]


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

    async def until_announced(self, order: Order, *, within: float = 15.0) -> None:
        async def is_announced() -> bool:
            return bool((await self.look_at(order))["milestones"][-1]["announced_at"])

        await eventually(is_announced, within=within)


def wish(customer: str = "ada@example.com", **changes: Any) -> dict[str, Any]:
    line = {"product": "Darjeeling", "quantity": 2, "unit_price": "4.50"}
    return {"customer_email": customer, "lines": [line]} | changes


@asynccontextmanager
async def orders(folder: Path, **changes: Any) -> AsyncIterator[Shop]:
    """The orders service, asked without a socket in between."""
    settings = OrderSettings(database_url=f"sqlite+aiosqlite:///{folder}/orders.db", **changes)
    app = make_app(make_desk(settings))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://orders") as http,
    ):
        yield Shop(http)


@asynccontextmanager
async def notifications(
    folder: Path, mail_server: MailServer, **changes: Any
) -> AsyncIterator[Service]:
    """The notifications service, with a ladder that a test can wait for."""
    settings = NotificationSettings(
        database_url=f"sqlite+aiosqlite:///{folder}/notifications.db",
        smtp_port=mail_server.port,
        **{"retry_after": ("1s", "1s"), **changes},
    )
    async with make_notifications(settings) as service:
        yield service
