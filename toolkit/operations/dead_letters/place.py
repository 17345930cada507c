"""Where a command works: which broker, which queues.

Receives what was asked for, hands a look that is held, and what else an act needs to know.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from toolkit.operations.address import broker_address
from toolkit.operations.dead_letters.letter import LetterError
from toolkit.operations.dead_letters.look import Look, look
from toolkit.operations.dead_letters.queue import dead_letter_queues
from toolkit.operations.management import ManagementApi, default_address
from toolkit.project import Project
from toolkit.service.settings import Settings
from toolkit.topology import naming
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.holding import Holder

DEFAULT_MOST = 20_000
"""Letters of each queue that are looked at, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for: queues by name, addresses, and how many letters of each queue."""

    queues: tuple[str, ...] = ()
    broker: str | None = None
    management: str | None = None
    most: int = DEFAULT_MOST


@dataclass(frozen=True, slots=True)
class Place:
    """A broker, and the project around the current folder, if there is one."""

    project: Project | None
    settings: Settings
    management: ManagementApi

    @classmethod
    def of(cls, request: Request) -> Self:
        """Raises `SettingsError`, and `ElsewhereError` for a broker in another process's memory."""
        project = Project.around()
        address = broker_address(project, request.broker)
        settings = address.settings()
        url = settings.urls[0]
        where = request.management or address.management_url or default_address(url)
        return cls(project, settings, ManagementApi(where, url, settings.tls))

    @property
    def options(self) -> RabbitOptions:
        """How to connect: as a service would."""
        settings = self.settings
        return RabbitOptions(
            urls=settings.urls,
            service="toolkit dead",
            tls=settings.tls,
            heartbeat=settings.heartbeat,
            connect_timeout=settings.connect_timeout,
            lane=settings.lane,
        )


@asynccontextmanager
async def looking(
    place: Place, request: Request, *, is_archive: bool = False
) -> AsyncIterator[tuple[Holder, Look]]:
    """All letters that are wanted, held until the context ends; those of the archives instead, if
    `is_archive`.

    Raises `LetterError` for a queue that was named and isn't there, `NoQueuesError`, and a
    `TransportError`.
    """
    queues = await dead_letter_queues(request.queues, place.project, place.management)
    if is_archive:
        queues = [naming.archive_queue(queue) for queue in queues]
    async with Holder.connected(place.options) as holder:
        seen = await look(holder, queues, most=request.most, management=place.management)
        if request.queues and len(seen.queues) < len(queues):
            raise LetterError(f"{seen.notes[0]}; nothing was changed")
        yield holder, seen
