"""Every question that orders puts to its database.

Receives orders from the API and news from the relay and the consumer, hands back rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from .contracts import OrderLine
from .database import Milestone, Order, Sessions

PLACED = "placed"
CANCELLED = "cancelled"


class OrderNotFound(LookupError):
    """There is no order with that id."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}.")


class AlreadyCancelled(ValueError):
    """An order is cancelled once."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"Order {order_id} has been cancelled before.")


class OrderStore:
    """The orders and their milestones. Each method is one transaction."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def place(
        self, customer_email: str, *, lines: Sequence[OrderLine], currency: str
    ) -> Order:
        """Commit a new order, its announcement owed."""
        order = Order(
            order_id=uuid4(),
            customer_email=customer_email,
            lines=[line.model_dump(mode="json") for line in lines],
            currency=currency,
            milestones=[Milestone(kind=PLACED, reached_at=_now())],
        )
        async with self._sessions.begin() as session:
            session.add(order)
        return order

    async def find(self, order_id: UUID) -> Order:
        """Raises OrderNotFound."""
        async with self._sessions() as session:
            order = await session.get(Order, order_id)
        if order is None:
            raise OrderNotFound(order_id)
        return order

    async def cancel(self, order_id: UUID) -> Order:
        """Of two at once, the milestone's key lets one through.

        Raises OrderNotFound and AlreadyCancelled.
        """
        await self.find(order_id)
        try:
            async with self._sessions.begin() as session:
                session.add(Milestone(order_id=order_id, kind=CANCELLED, reached_at=_now()))
        except IntegrityError as error:
            raise AlreadyCancelled(order_id) from error
        return await self.find(order_id)

    async def owed(self, limit: int) -> Sequence[Milestone]:
        """The oldest milestones that have not been announced, with their orders."""
        oldest = (
            select(Milestone)
            .where(Milestone.announced_at.is_(None))
            .order_by(Milestone.reached_at)
            .limit(limit)
            .options(joinedload(Milestone.order).raiseload(Order.milestones))
        )
        async with self._sessions() as session:
            return (await session.scalars(oldest)).all()

    async def mark_announced(self, milestones: Sequence[Milestone]) -> None:
        """The broker has confirmed these: nothing is owed for them any more."""
        keys = [(milestone.order_id, milestone.kind) for milestone in milestones]
        these = tuple_(Milestone.order_id, Milestone.kind).in_(keys)
        async with self._sessions.begin() as session:
            await session.execute(update(Milestone).where(these).values(announced_at=_now()))

    async def mark_notified(self, order_id: UUID, kind: str, at: datetime) -> bool:
        """Keep the first time the customer heard of it, however often we are told.

        Returns whether there is such a milestone.
        """
        this = (Milestone.order_id == order_id, Milestone.kind == kind)
        first = func.coalesce(Milestone.notified_at, at)
        noted = update(Milestone).where(*this).values(notified_at=first)
        async with self._sessions.begin() as session:
            result = cast(CursorResult[Any], await session.execute(noted))
        return result.rowcount == 1


def _now() -> datetime:
    return datetime.now(UTC)
