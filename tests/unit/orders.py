"""The contracts that the unit tests talk about."""

from toolkit import Command, Event


class OrderPlaced(Event, name="orders.placed", version=2):
    """Somebody has ordered something."""

    order_id: int
    note: str = ""


class OrderCancelled(Event, name="orders.cancelled"):
    """Somebody has thought better of it."""

    order_id: int


class ShipOrder(Command, name="shipping.ship-order"):
    """Something to be done."""

    order_id: int
