"""Its own copies of the events it listens to, with no more than it needs, and the one it owns.

Receives OrderPlaced and OrderCancelled from orders, hands them to the consumers, and receives
CustomerNotified from those.
"""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from toolkit import Event

About = Literal["placed", "cancelled"]

# One address, and nothing that a mail's header would read as a second one. Looser than what orders
# lets in: a receiver that is stricter than its sender turns good events into dead letters.
_PART = r"[^\s@,;:<>()\[\]\"\\]+"
EmailAddress = Annotated[str, StringConstraints(pattern=rf"^{_PART}@{_PART}$", max_length=254)]


class OrderLine(BaseModel):
    """So many of one product."""

    model_config = ConfigDict(frozen=True)

    product: str
    quantity: int


class OrderPlaced(Event, name="orders.placed", version=1):
    """A customer has ordered something. Owned by orders."""

    order_id: UUID
    customer_email: EmailAddress
    lines: tuple[OrderLine, ...]
    total: Decimal
    currency: str


class OrderCancelled(Event, name="orders.cancelled", version=1):
    """An order will not be delivered. Owned by orders."""

    order_id: UUID
    customer_email: EmailAddress


class CustomerNotified(Event, name="customers.notified", version=1):
    """The customer has been written to about a milestone of their order, at this time."""

    order_id: UUID
    about: About
    customer_email: EmailAddress
    notified_at: AwareDatetime
