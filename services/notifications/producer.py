"""What notifications announces.

Receives nothing: its consumers publish through their context, and this says so to whoever reads the
service, its topology or its first lines of log.
"""

from toolkit import Producer, Publishes

from .contracts import CustomerNotified


class NotificationEvents(Producer):
    """What notifications announces."""

    customer_notified = Publishes(CustomerNotified)
