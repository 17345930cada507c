"""The customer's side of the orders service.

Receives wishes from the story, hands them to the service over HTTP.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

_POLL = 0.05

Order = dict[str, Any]


class Shop:
    """Orders, over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def order(self, customer: str, product: str, *, quantity: int, price: str) -> Order:
        """Place an order."""
        lines = [{"product": product, "quantity": quantity, "unit_price": price}]
        wish = {"customer_email": customer, "lines": lines}
        return await self._answer(await self._client.post("/orders", json=wish))

    async def look_at(self, order: Order) -> Order:
        """The order as it is now."""
        return await self._answer(await self._client.get(f"/orders/{order['order_id']}"))

    async def until_notified(self, order: Order, *, within: float = 10.0) -> Order:
        """The order once the customer is known to have been told; as it is if that takes longer."""
        deadline = asyncio.get_running_loop().time() + within
        while not (order := await self.look_at(order))["customer_notified"]:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_POLL)
        return order

    async def _answer(self, response: httpx.Response) -> Order:
        response.raise_for_status()
        answer: Order = response.json()
        return answer


@asynccontextmanager
async def at(url: str) -> AsyncIterator[Shop]:
    """The shop at this address."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        yield Shop(client)
