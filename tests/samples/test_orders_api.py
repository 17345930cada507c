"""What HTTP gets from orders, whatever it sends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from services.orders.contracts import OrderCancelled
from services.orders.service import OrderDesk
from tests.samples.world import Shop, wish
from toolkit.testing import ServiceHarness


@pytest.fixture(autouse=True)
async def bus(desk: OrderDesk) -> AsyncIterator[ServiceHarness]:
    """In memory: it hardly matters here what a broker is."""
    async with ServiceHarness(desk.service) as bus:
        yield bus


JSON = {"Content-Type": "application/json"}


def line(**changes: Any) -> dict[str, Any]:
    first: dict[str, Any] = wish()["lines"][0]
    return first | changes


BAD = [
    pytest.param(wish("ada"), "customer_email", id="no address"),
    pytest.param(
        wish("ada@example.com\r\nBcc: eve@example.com"), "customer_email", id="two headers"
    ),
    pytest.param(wish("ada@example.com, eve@example.com"), "customer_email", id="two addresses"),
    pytest.param({"lines": [line()]}, "customer_email", id="missing"),
    pytest.param(wish(lines=[]), "lines", id="nothing ordered"),
    pytest.param(wish(lines=[line(quantity=0)]), "quantity", id="none of it"),
    pytest.param(wish(lines=[line(quantity=1.5)]), "quantity", id="half of one"),
    pytest.param(wish(lines=[line(unit_price="-1")]), "unit_price", id="negative price"),
    pytest.param(wish(lines=[line(unit_price="1.005")]), "unit_price", id="half a cent"),
    pytest.param(wish(lines=[line(unit_price=float("nan"))]), "unit_price", id="NaN"),
    pytest.param(wish(lines=[line(product="a\nb")]), "product", id="two lines"),
    pytest.param(wish(lines=[line(product="\ud800")]), "product", id="half a character"),
    pytest.param(wish(currency="euro"), "currency", id="no currency"),
    pytest.param(wish(custmer_email="x"), "custmer_email", id="unknown field"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_a_bad_order_is_answered_with_the_field_that_is_wrong(
    shop: Shop, body: object, field: str
) -> None:
    # Written by the standard library, which httpx's own encoder is stricter than.
    response = await shop.http.post("/orders", content=json.dumps(body), headers=JSON)

    assert response.status_code == 422
    assert field in {problem["loc"][-1] for problem in response.json()["detail"]}


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "[" * 100_000, b"\xff"])
async def test_a_body_that_is_no_order_is_the_clients_fault(shop: Shop, body: str | bytes) -> None:
    response = await shop.http.post("/orders", content=body, headers=JSON)

    assert response.status_code in {400, 422}


async def test_an_order_can_be_looked_at_where_the_answer_says(shop: Shop) -> None:
    placed = await shop.http.post("/orders", json=wish())
    found = await shop.http.get(placed.headers["Location"])

    assert placed.status_code == 201
    assert found.json()["order_id"] == placed.json()["order_id"]
    assert found.json()["total"] == "9.00"


async def test_an_order_that_nobody_placed_is_not_found(shop: Shop) -> None:
    looked_at = await shop.http.get(f"/orders/{uuid4()}")
    cancelled = await shop.http.post(f"/orders/{uuid4()}/cancel")
    no_id = await shop.http.get("/orders/7")

    assert [r.status_code for r in (looked_at, cancelled, no_id)] == [404, 404, 422]


async def test_of_many_cancellations_at_once_one_is_taken_announced_and_the_others_conflict(
    shop: Shop, bus: ServiceHarness
) -> None:
    order = await shop.place()
    address = f"/orders/{order['order_id']}/cancel"
    answers = await asyncio.gather(*(shop.http.post(address) for _ in range(5)))
    await shop.until_announced(order)

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert str(bus.published(OrderCancelled).only.message.order_id) == order["order_id"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
async def test_orders_say_that_they_are_well(shop: Shop, path: str) -> None:
    answer = await shop.http.get(path)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "problems": []}
