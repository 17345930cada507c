"""A service that handles what the publishers say, and writes down each message that it has handled.

Run by the bench as a process of its own, with `toolkit run`.
"""

import asyncio
import os

from tests.faults.ledger import own_ledger
from tests.faults.programs.contracts import Noted, Placed
from toolkit import Consumer, Context, Retry, Service

_SECONDS = float(os.environ.get("SECONDS_EACH", "0.005"))
_AT_ONCE = int(os.environ.get("AT_ONCE", "16"))

ledger = own_ledger()


class Take(Consumer[Placed]):
    retry = Retry(immediately=0, after=("1s",))
    concurrency = _AT_ONCE

    async def handle(self, message: Placed, context: Context) -> None:
        ledger.write("begun", message.number)
        is_retry = "retry-attempt" in context.headers
        if message.fate == "fails" or (message.fate == "fails once" and not is_retry):
            raise ValueError("as the message says")
        await asyncio.sleep(_SECONDS)
        ledger.write("handled", message.number)


class Note(Consumer[Noted]):
    """Its queue is deleted now and then."""

    concurrency = 4

    async def handle(self, message: Noted, context: Context) -> None:
        ledger.write("begun", message.number)
        ledger.write("handled", message.number)


service = Service("taker", consumers=[Take(), Note()])
