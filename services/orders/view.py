"""An order as HTTP carries it, in and out.

Receives JSON from the API and rows from the store, hands each side what it can use.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .contracts import Currency, EmailAddress, OrderLine
from .database import Order


class NewLine(OrderLine):
    """A line as it is ordered. A misspelt field is a mistake here; in an event it may be news."""

    model_config = ConfigDict(extra="forbid")


class NewOrder(BaseModel):
    """What a customer sends to order something."""

    model_config = ConfigDict(extra="forbid")

    customer_email: EmailAddress
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=100)]
    currency: Currency = "EUR"


class MilestoneView(BaseModel):
    """Something that happened to an order; without `notified_at` the customer doesn't know yet."""

    model_config = ConfigDict(from_attributes=True)

    kind: str
    reached_at: datetime
    announced_at: datetime | None
    notified_at: datetime | None


class OrderView(BaseModel):
    """An order with all that happened to it; `status` is the latest of that."""

    order_id: UUID
    status: str
    customer_notified: bool
    customer_email: EmailAddress
    lines: list[OrderLine]
    total: Decimal
    currency: Currency
    milestones: list[MilestoneView]

    @classmethod
    def of(cls, order: Order) -> Self:
        """The order as it is in the database."""
        latest = order.milestones[-1]
        return cls(
            order_id=order.order_id,
            status=latest.kind,
            customer_notified=latest.notified_at is not None,
            customer_email=order.customer_email,
            lines=[OrderLine.model_validate(line) for line in order.lines],
            total=order.total,
            currency=order.currency,
            milestones=[MilestoneView.model_validate(milestone) for milestone in order.milestones],
        )
