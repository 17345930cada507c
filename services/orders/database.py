"""The tables that orders keeps, and how they are opened.

Receives a database URL from the settings, hands sessions to the store.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, URL, DateTime, Dialect, ForeignKey, Index, String, TypeDecorator, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from toolkit import ToolkitError

Sessions = async_sessionmaker[AsyncSession]


class DatabaseUnusableError(ToolkitError):
    """There is no database, or not one we may use."""

    def __init__(self, url: URL, error: Exception) -> None:
        self.url = url  # its text hides the password
        super().__init__(
            f"the database {url} can't be used: {error}. "
            "Is it running, and is ORDERS_DATABASE_URL right?"
        )


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC on every database; SQLite by itself forgets the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way in."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way out."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """The root of the tables of this service."""


class Order(Table):
    """What was ordered, and by whom. It never changes: what happens to it are its milestones."""

    __tablename__ = "orders"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_email: Mapped[str]
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    currency: Mapped[str]
    milestones: Mapped[list["Milestone"]] = relationship(
        back_populates="order", order_by="Milestone.reached_at", lazy="joined"
    )

    @property
    def total(self) -> Decimal:
        """What all lines cost together."""
        return sum(
            (line["quantity"] * Decimal(line["unit_price"]) for line in self.lines), Decimal("0.00")
        )


class Milestone(Table):
    """Something that happened to an order: when, when the world was told, when the customer was.

    It is committed with the change itself, so one without `announced_at` is an announcement
    still owed. Its key says that nothing happens twice.
    """

    __tablename__ = "milestones"

    order_id: Mapped[UUID] = mapped_column(ForeignKey(Order.order_id), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    reached_at: Mapped[datetime] = mapped_column(UtcDateTime)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    notified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    order: Mapped[Order] = relationship(back_populates="milestones", lazy="raise")


# The relay asks for the few that are owed every few seconds: that must not read the whole table.
_owed = Milestone.announced_at.is_(None)
Index("milestones_owed", Milestone.reached_at, sqlite_where=_owed, postgresql_where=_owed)


class Database:
    """The engine, and the sessions it hands out."""

    def __init__(self, url: str) -> None:
        self._engine = _make_engine(url)
        self.sessions: Sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Usable from here on. Raises DatabaseUnusableError."""
        try:
            await self._create_what_is_missing()
            yield
        finally:
            await self._engine.dispose()

    async def _create_what_is_missing(self) -> None:
        """A service with a history would run its migrations here."""
        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(Table.metadata.create_all)
        except (OSError, SQLAlchemyError) as error:
            raise DatabaseUnusableError(self._engine.url, error) from error


def _make_engine(url: str) -> AsyncEngine:
    if not url.startswith("sqlite"):
        return create_async_engine(url, pool_pre_ping=True)
    # SQLite has one writer at a time: a queue for one connection is cheaper than a crowd at the
    # file's lock.
    engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
