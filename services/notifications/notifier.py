"""Sends each letter once: claim it, send it, write it down.

Receives letters from the consumers, hands them to the mailer, and returns the news of it.

A broker promises at least once, so an event may come twice, and both copies at the same moment. The
claim lets one of them send. What remains is the instant between the server's "accepted" and our
writing it down: a process that dies right there sends again once its claim has run out, under the
same Message-ID. No order of the two steps closes that gap; this one prefers a second mail to none.
"""

import asyncio
from datetime import datetime

from .contracts import CustomerNotified
from .database import Entry
from .ledger import Ledger
from .letter import Letter
from .mailer import Mailer


class Notifier:
    """The one way to a customer's mailbox."""

    def __init__(self, ledger: Ledger, mailer: Mailer) -> None:
        self._ledger = ledger
        self._mailer = mailer

    async def notify(self, letter: Letter) -> CustomerNotified:
        """Returns the news that the customer was notified, the same for every copy of an event.

        Raises LetterInHand while another copy is at it, and what the mailer raises.
        """
        entry = await self._ledger.claim(letter.order_id, letter.about)
        sent_at = entry.sent_at or await self._send(letter, entry)
        return CustomerNotified(
            order_id=letter.order_id,
            about=letter.about,
            customer_email=letter.recipient,
            notified_at=sent_at,
        )

    async def _send(self, letter: Letter, entry: Entry) -> datetime:
        try:
            await self._mailer.send(letter)
        except BaseException:  # a cancelled run, at shutdown say, also hands its claim back
            await self._ledger.release(entry)
            raise
        # The mail is out, whoever loses patience now.
        return await asyncio.shield(self._ledger.mark_sent(entry))
