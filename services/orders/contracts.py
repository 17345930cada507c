"""The events that orders owns, and its own copy of the one it listens to.

Receives what the relay announces, hands it to the producer as events; receives CustomerNotified
from notifications, hands it to the consumer.
"""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from toolkit import Event

# What browsers take for <input type="email"> (HTML standard, "valid email address"), with a dot.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
ADDRESS = rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+$"

EmailAddress = Annotated[str, StringConstraints(pattern=ADDRESS, max_length=254)]
# No control characters: a product's name ends up in a line of a mail.
ProductName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class OrderLine(BaseModel):
    """So many of one product, at a price each."""

    model_config = ConfigDict(frozen=True)

    product: ProductName
    quantity: int = Field(ge=1, le=1000)
    unit_price: Decimal = Field(ge=0, max_digits=10, decimal_places=2)


class OrderPlaced(Event, name="orders.placed", version=1):
    """A customer has ordered something, and the order is in the database."""

    order_id: UUID
    customer_email: EmailAddress
    lines: tuple[OrderLine, ...]
    total: Decimal
    currency: Currency
    placed_at: AwareDatetime


class OrderCancelled(Event, name="orders.cancelled", version=1):
    """An order that had been placed will not be delivered."""

    order_id: UUID
    customer_email: EmailAddress
    cancelled_at: AwareDatetime


class CustomerNotified(Event, name="customers.notified", version=1):
    """The customer has been written to. Owned by notifications; a copy of what orders needs."""

    order_id: UUID
    about: str
    notified_at: AwareDatetime
