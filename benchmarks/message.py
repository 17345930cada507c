"""What is published and handled: one model, whoever carries it.

Receives a number and a size from a task, hands messages to a contestant and bodies to the stage.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound="Order")


class Order(BaseModel):
    """A small order; the note makes it as long as it has to be."""

    order_id: str
    customer_email: str
    total: Decimal
    note: str


def orders(count: int, size: int, model: type[M]) -> Iterator[M]:
    """So many messages, numbered from 0, whose JSON has `size` bytes."""
    note = "x" * (size - len(_order(0, "", Order).model_dump_json()))
    return (_order(number, note, model) for number in range(count))


def number_of(order: Order) -> int:
    """Which one it is, counted from 0."""
    return int(order.order_id)


def _order(number: int, note: str, model: type[M]) -> M:
    return model(
        order_id=f"{number:032}",
        customer_email="somebody@example.org",
        total=Decimal("19.90"),
        note=note,
    )
