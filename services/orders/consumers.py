"""What orders does when others speak.

Receives CustomerNotified from notifications, hands the news to the store.
"""

from toolkit import Consumer, Context, Reject, Retry

from .contracts import CustomerNotified
from .store import OrderStore


class MarkNotified(Consumer[CustomerNotified]):
    """Write down when the customer heard about a milestone of their order.

    Safe to run twice and in any order: each milestone keeps the first time it was told.
    """

    retry = Retry(immediately=2, after=("1s", "5s", "30s", "2m"))

    def __init__(self, store: OrderStore) -> None:
        self._store = store

    async def handle(self, message: CustomerNotified, context: Context) -> None:
        """A milestone that isn't ours is a fault for a person to look at, not for another try."""
        if not await self._store.mark_notified(
            message.order_id, message.about, message.notified_at
        ):
            raise Reject(
                f"order {message.order_id} has no milestone {message.about!r} in this database"
            )
