"""Which letters are being sent, and which have been.

Receives claims from the notifier, hands them the entry or says who was first.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Update, update
from sqlalchemy.exc import IntegrityError

from .contracts import About
from .database import Entry, Sessions

# How long a claim holds if its process dies. Longer than a consumer's `timeout`, or a slow one
# would be overtaken; shorter than the retry ladder, or the event would be a dead letter by then.
LEASE = timedelta(seconds=30)


class LetterInHand(Exception):
    """Another copy of the event is sending this letter right now: come back later."""

    def __init__(self, order_id: UUID, about: str) -> None:
        super().__init__(f"order {order_id}: the letter '{about}' is being sent by another copy")


class Ledger:
    """One entry for each letter, whoever sends it. Many processes may share it.

    Without RETURNING, which keeps SQLite's lock for as long as somebody holds the error of a
    statement that was cancelled.
    """

    def __init__(self, sessions: Sessions, *, lease: timedelta = LEASE) -> None:
        self._sessions = sessions
        self._lease = lease

    async def claim(self, order_id: UUID, about: About) -> Entry:
        """The letter's entry: yours to send, or with `sent_at` if it has been.

        Raises LetterInHand while another claim holds.
        """
        entry = Entry(order_id=order_id, about=about, claimed_until=_now() + self._lease)
        if await self._add(entry) or await self._take_over(entry):
            return entry
        known = await self._read(order_id, about)
        if known.sent_at is None:
            raise LetterInHand(order_id, about)
        return known

    async def release(self, entry: Entry) -> None:
        """The letter could not be sent: let the next try have it at once."""
        mine = (*_key(entry), Entry.claimed_until == entry.claimed_until)
        await self._change(update(Entry).where(*mine).values(claimed_until=_now()))

    async def mark_sent(self, entry: Entry) -> datetime:
        """The letter is out. Returns when it first was."""
        now = _now()
        first = (*_key(entry), Entry.sent_at.is_(None))
        if await self._change(update(Entry).where(*first).values(sent_at=now)):
            return now
        return (await self._read(entry.order_id, entry.about)).sent_at or now

    async def _add(self, entry: Entry) -> bool:
        try:
            async with self._sessions.begin() as session:
                session.add(entry)
        except IntegrityError:
            return False
        return True

    async def _take_over(self, entry: Entry) -> bool:
        free = (*_key(entry), Entry.sent_at.is_(None), Entry.claimed_until <= _now())
        return await self._change(
            update(Entry).where(*free).values(claimed_until=entry.claimed_until)
        )

    async def _change(self, change: Update) -> bool:
        """Whether there was something to change."""
        async with self._sessions.begin() as session:
            result = cast(CursorResult[Any], await session.execute(change))
        return result.rowcount == 1

    async def _read(self, order_id: UUID, about: str) -> Entry:
        async with self._sessions() as session:
            return await session.get_one(Entry, (order_id, about))


def _key(entry: Entry) -> tuple[ColumnElement[bool], ...]:
    return (Entry.order_id == entry.order_id, Entry.about == entry.about)


def _now() -> datetime:
    return datetime.now(UTC)
