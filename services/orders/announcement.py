"""A milestone of an order as the event that announces it.

Receives milestones from the relay, hands it events.
"""

from .contracts import OrderCancelled, OrderLine, OrderPlaced
from .database import Milestone


def placed(milestone: Milestone) -> OrderPlaced:
    """All that anyone else may need to know of a new order."""
    order = milestone.order
    return OrderPlaced(
        order_id=order.order_id,
        customer_email=order.customer_email,
        lines=tuple(OrderLine.model_validate(line) for line in order.lines),
        total=order.total,
        currency=order.currency,
        placed_at=milestone.reached_at,
    )


def cancelled(milestone: Milestone) -> OrderCancelled:
    """Which order, and whom to tell."""
    order = milestone.order
    return OrderCancelled(
        order_id=order.order_id,
        customer_email=order.customer_email,
        cancelled_at=milestone.reached_at,
    )
