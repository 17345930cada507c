"""The table behind the ledger, and how it is opened.

Receives a database URL from the settings, hands sessions to the ledger.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import URL, DateTime, Dialect, String, TypeDecorator, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from toolkit import ToolkitError

Sessions = async_sessionmaker[AsyncSession]


class DatabaseUnusableError(ToolkitError):
    """There is no database, or not one we may use."""

    def __init__(self, url: URL, error: Exception) -> None:
        self.url = url  # its text hides the password
        super().__init__(
            f"the database {url} can't be used: {error}. "
            "Is it running, and is NOTIFICATIONS_DATABASE_URL right?"
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


class Entry(Table):
    """One letter: it is being sent until `claimed_until`, or it was sent at `sent_at`.

    Its key makes it one: there is a single letter about each milestone of each order.
    """

    __tablename__ = "letters"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    about: Mapped[str] = mapped_column(String(20), primary_key=True)
    claimed_until: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


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
    cursor.close()
