"""Messages from outside: published in order, so many at a time, and counted.

Receives publications, hands them to a transport, and hands back what became of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from toolkit.errors import ConfigurationError, PublishError, UnroutableError
from toolkit.messages.outgoing import Publication
from toolkit.operations.address import Address
from toolkit.operations.pace import Pace
from toolkit.service.connect import rabbitmq_at
from toolkit.service.settings import Settings
from toolkit.topology.declarations import Topology
from toolkit.transport.port import Transport

SENDER = "toolkit-publish"
"""Who a message says it is from (`app_id`), and the connection's name."""
_WINDOW = 256  # publishes whose confirms are awaited at a time


@dataclass(slots=True)
class Tally:
    """What became of the messages so far."""

    confirmed: int = 0
    """The broker has them, or had them and found nobody who wanted them."""
    unheard: int = 0
    """Of those, how many nobody wanted."""
    unheard_name: str = ""
    error: PublishError | None = None
    """What ended it early."""


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[tuple[Transport, Settings]]:
    """A transport that declares nothing. Raises what a service's start raises."""
    settings = address.settings()
    transport = rabbitmq_at(
        settings.urls,
        SENDER,
        settings.model_copy(update={"topology": "off"}),
        is_consuming=False,
    )
    try:
        with address.blamed():
            await transport.open(Topology())
        yield transport, settings
    finally:
        await transport.close(within=timedelta(seconds=2))


async def publish_all(
    publications: Iterable[Publication],
    transport: Transport,
    *,
    timeout: timedelta,
    tally: Tally,
    pace: Pace | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Sends them in order, and returns once each has an end; `tally` grows meanwhile.

    The first that is refused, or not confirmed in time, ends it: what is under way then is
    awaited, and nothing further sent. Cancelling ends it at once.
    """
    room = asyncio.Semaphore(_WINDOW)

    async def send(publication: Publication) -> None:
        try:
            await transport.publish(publication, timeout=timeout)
        except UnroutableError as error:
            if publication.is_required:
                tally.error = tally.error or error
                return
            tally.unheard += 1
            tally.unheard_name = publication.routing_key
        except PublishError as error:
            tally.error = tally.error or error
            return
        finally:
            room.release()
        tally.confirmed += 1
        on_progress()

    async with asyncio.TaskGroup() as sending:
        for publication in publications:
            if pace is not None:
                await asyncio.sleep(pace.wait())
            await room.acquire()
            if tally.error is not None:
                room.release()
                break
            sending.create_task(send(publication))


def parsed_rate(text: str) -> float:
    """Messages a second, from "50" or "50/s" or "3000/m". Raises ConfigurationError."""
    number, _, unit = text.strip().partition("/")
    seconds = {"": 1, "s": 1, "m": 60, "h": 3600}.get(unit.strip())
    try:
        rate = float(number)
    except ValueError:
        rate = 0.0
    if seconds is None or not 0 < rate < float("inf"):
        raise ConfigurationError(
            f"'{text}' is no rate", ["write how many a second: 50, or 50/s, 3000/m, 100000/h"]
        )
    return rate / seconds
