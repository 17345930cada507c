"""Puts notifications together; what `toolkit run notifications` starts.

Receives settings, hands whoever runs it a service.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from toolkit import Retry, Service

from .consumers import SendCancellation, SendConfirmation
from .database import Database
from .ledger import Ledger
from .mailer import InvalidAddress, Mailer
from .notifier import Notifier
from .producer import NotificationEvents
from .settings import Settings, read_settings


def make_service(settings: Settings | None = None) -> Service:
    """The service, connected to nothing yet."""
    settings = settings or read_settings()
    database = Database(settings.database_url)
    notifier = Notifier(Ledger(database.sessions), Mailer(settings))
    # Not in place: a mail server that is down is still down a millisecond later.
    retry = Retry(immediately=0, after=settings.retry_after, never=(InvalidAddress,))

    @asynccontextmanager
    async def lifespan(_: Service) -> AsyncIterator[None]:
        async with database.opened():
            yield

    return Service(
        "notifications",
        consumers=[SendConfirmation(notifier, retry), SendCancellation(notifier, retry)],
        producers=[NotificationEvents],
        lifespan=lifespan,
    )
