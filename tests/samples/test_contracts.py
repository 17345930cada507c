"""What one service says, the other understands, though neither knows the other's code."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications import contracts as notifications
from services.notifications.letter import confirmation
from services.orders import contracts as orders
from toolkit import Event
from toolkit.operations.schema import outdated_schemas
from toolkit.project import load

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", ["orders", "notifications"])
def test_the_published_schemas_are_what_the_code_says(service: str) -> None:
    """Each that the service owns is committed."""
    problems = outdated_schemas([load(service)], SERVICES / service / "schemas")
    assert problems == [], f"toolkit describe {service} --schemas services/{service}/schemas"


COPIES = [
    pytest.param("orders", "orders.placed.v1", notifications.OrderPlaced, id="OrderPlaced"),
    pytest.param(
        "orders", "orders.cancelled.v1", notifications.OrderCancelled, id="OrderCancelled"
    ),
    pytest.param(
        "notifications", "customers.notified.v1", orders.CustomerNotified, id="CustomerNotified"
    ),
]


@pytest.mark.parametrize(("owner", "schema", "copy"), COPIES)
def test_a_copy_asks_for_nothing_that_the_owner_does_not_promise(
    owner: str, schema: str, copy: type[Event]
) -> None:
    published = json.loads((SERVICES / owner / "schemas" / f"{schema}.json").read_text())
    asked_for = copy.model_json_schema()

    assert set(required(asked_for, asked_for)) <= set(required(published, published))


def required(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """The fields that must be there, as dotted paths."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    for name in schema.get("required", ()):
        yield name
        yield from (f"{name}.{inner}" for inner in required(schema["properties"][name], root))
    if "items" in schema:
        yield from required(schema["items"], root)


addresses = st.from_regex(orders.ADDRESS, fullmatch=True).filter(lambda text: len(text) <= 254)
moments = st.datetimes(timezones=st.just(UTC))
lines = st.builds(
    orders.OrderLine,
    product=st.from_regex(r"[^\x00-\x1f\x7f]{1,200}", fullmatch=True),
    quantity=st.integers(1, 1000),
    unit_price=st.decimals(0, 99_999_999, places=2),
)
order_placed = st.builds(
    orders.OrderPlaced,
    customer_email=addresses,
    lines=st.lists(lines, max_size=3).map(tuple),
    total=st.decimals(0, 10**12, places=2),
    currency=st.sampled_from(["EUR", "USD"]),
    placed_at=moments,
)
order_cancelled = st.builds(orders.OrderCancelled, customer_email=addresses, cancelled_at=moments)


@given(said=order_placed)
def test_whatever_orders_can_say_of_a_placed_order_notifications_can_read(
    said: orders.OrderPlaced,
) -> None:
    heard = notifications.OrderPlaced.model_validate_json(said.model_dump_json())

    assert (heard.order_id, heard.customer_email) == (said.order_id, said.customer_email)
    assert heard.total == said.total
    letter = confirmation(heard)
    assert all(f"{line.quantity} x {line.product}" in letter.text for line in said.lines)


@given(said=order_cancelled)
def test_whatever_orders_can_say_of_a_cancelled_order_notifications_can_read(
    said: orders.OrderCancelled,
) -> None:
    heard = notifications.OrderCancelled.model_validate_json(said.model_dump_json())

    assert (heard.order_id, heard.customer_email) == (said.order_id, said.customer_email)


@given(about=st.sampled_from(["placed", "cancelled"]), at=moments, address=addresses)
def test_whatever_notifications_can_say_orders_can_read(
    about: notifications.About, at: datetime, address: str
) -> None:
    said = notifications.CustomerNotified(
        order_id=uuid4(), about=about, customer_email=address, notified_at=at
    )

    heard = orders.CustomerNotified.model_validate_json(said.model_dump_json())

    assert (heard.order_id, heard.about, heard.notified_at) == (said.order_id, about, at)
