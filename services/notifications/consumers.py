"""What notifications does when others speak: one consumer for each event that customers hear about.

Receives order events from the broker, hands letters to the notifier, and announces that the
customer was notified.
"""

from toolkit import Consumer, Context, KillSwitch, Retry

from .contracts import OrderCancelled, OrderPlaced
from .letter import cancellation, confirmation
from .notifier import Notifier

# A mail server that is down is down for every letter: they wait in their queue, not in the ladder.
MAIL_SERVER_IS_DOWN = KillSwitch(share=0.8, minimum=10, window="30s", pause="10s")


class SendConfirmation(Consumer[OrderPlaced]):
    """Write to the customer once their order is placed."""

    timeout = "20s"
    kill_switch = MAIL_SERVER_IS_DOWN

    def __init__(self, notifier: Notifier, retry: Retry) -> None:
        self._notifier = notifier
        self.retry = retry

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """A copy of the event announces the same once more: the first one may have been lost."""
        await context.publish(await self._notifier.notify(confirmation(message)))


class SendCancellation(Consumer[OrderCancelled]):
    """Write to the customer once their order is cancelled."""

    timeout = "20s"
    kill_switch = MAIL_SERVER_IS_DOWN

    def __init__(self, notifier: Notifier, retry: Retry) -> None:
        self._notifier = notifier
        self.retry = retry

    async def handle(self, message: OrderCancelled, context: Context) -> None:
        """As a confirmation does."""
        await context.publish(await self._notifier.notify(cancellation(message)))
