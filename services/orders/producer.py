"""What orders announces.

Receives events from the relay, hands them to the toolkit.
"""

from toolkit import Producer, Publishes

from .contracts import OrderCancelled, OrderPlaced


class OrderEvents(Producer):
    """The life of an order, for whoever wants to know."""

    placed = Publishes(OrderPlaced)
    cancelled = Publishes(OrderCancelled)
