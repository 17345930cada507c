"""Announces whatever the database holds as not yet announced.

Receives milestones from the store, hands them as events to the producer.

An order is committed to the database and announced to the broker, and nothing spans the two. So the
commit comes first, and the announcement is owed until the broker has confirmed it: a crash or an
outage in between delays it and loses nothing. What can happen is that it is announced twice, under
the same message id.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid5

import structlog
from sqlalchemy.exc import SQLAlchemyError

from toolkit import PublishError

from .announcement import cancelled, placed
from .database import Milestone
from .producer import OrderEvents
from .store import PLACED, OrderStore

_BATCH = 200
_log = structlog.get_logger(__name__)


class Relay:
    """Announces when it starts, when nudged, and every so many seconds what could not be done."""

    def __init__(self, store: OrderStore, events: OrderEvents, *, every: float) -> None:
        self._store = store
        self._events = events
        self._every = every
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """There is something to announce: do it now."""
        self._nudged.set()

    async def run(self) -> None:
        """Runs until cancelled; an outage of broker or database makes it try again later."""
        while True:
            self._nudged.clear()
            try:
                await self._announce_all()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("the database can't say what is owed", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), self._every)

    async def _announce_all(self) -> None:
        while owed := await self._store.owed(_BATCH):
            failures = await asyncio.gather(*(self._announce(milestone) for milestone in owed))
            confirmed = [m for m, failure in zip(owed, failures, strict=True) if failure is None]
            if confirmed:
                await self._store.mark_announced(confirmed)
            if len(confirmed) < len(owed):
                _log_still_owed([failure for failure in failures if failure])
                return

    async def _announce(self, milestone: Milestone) -> PublishError | None:
        # Derived, so that an announcement repeated after a crash is seen as the same one.
        message_id = str(uuid5(milestone.order_id, milestone.kind))
        try:
            if milestone.kind == PLACED:
                await self._events.placed(placed(milestone), message_id=message_id)
            else:
                await self._events.cancelled(cancelled(milestone), message_id=message_id)
        except PublishError as error:
            return error
        return None


def _log_still_owed(failures: Sequence[PublishError]) -> None:
    _log.warning("announcements are still owed", count=len(failures), error=str(failures[0]))
