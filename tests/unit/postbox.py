"""Where publications end in the unit tests: the callable that the engine publishes through.

Receives publications from a pipeline or from settlement, keeps them in the order in which they
came, and confirms each one when it is told to. Like a real client it has no use for properties
that AMQP can't carry.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict

from toolkit.errors import PublishError, RefusedError, UnroutableError
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.transport.rabbitmq.wire import UnreadableError, encode_properties


class Postbox:
    """Confirms at once, unless it is closed or slow.

    `turns` says for how many turns of the event loop the nth publication (from 0) waits.
    """

    def __init__(self, *, turns: Callable[[int], int] = lambda _: 0) -> None:
        self.taken: list[Publication] = []
        self.timeouts: list[timedelta] = []
        self.confirmed = 0
        self.unconfirmed = 0
        self.most_unconfirmed = 0
        self.failing: dict[str, type[PublishError]] = {}
        self._turns = turns
        self._arrived = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        """Takes publications, and leaves them unconfirmed until it is opened."""
        self._open.clear()

    def open(self) -> None:
        """Confirms what waits, and what comes."""
        self._open.set()

    def fail(self, routing_key: str, error: type[PublishError] = UnroutableError) -> None:
        """Answers what is published under this key with an error."""
        self.failing[routing_key] = error

    async def until_taken(self, count: int) -> None:
        """Returns once that many publications have come."""
        while len(self.taken) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def publish(self, publication: Publication, timeout: timedelta) -> None:
        """See `toolkit.sending.pipeline.PublishCall`."""
        self.timeouts.append(timeout)
        await self.publish_copy(publication)

    async def publish_copy(self, publication: Publication) -> None:
        """See `toolkit.receiving.settlement.PublishCopy`."""
        _check_that_it_can_be_encoded(publication)
        number = len(self.taken)
        self.taken.append(publication)
        self.unconfirmed += 1
        self.most_unconfirmed = max(self.most_unconfirmed, self.unconfirmed)
        self._arrived.set()
        try:
            await self._open.wait()
            for _ in range(self._turns(number)):
                await asyncio.sleep(0)
        finally:
            self.unconfirmed -= 1
        if (kind := self.failing.get(publication.routing_key)) is not None:
            raise kind("not taken", **_where(publication))
        self.confirmed += 1

    @property
    def envelopes(self) -> list[Envelope]:
        """What the publications carried."""
        return [publication.envelope for publication in self.taken]

    @property
    def only(self) -> Publication:
        """The one publication there is."""
        (publication,) = self.taken
        return publication


def _check_that_it_can_be_encoded(publication: Publication) -> None:
    try:
        encode_properties(publication.envelope)
    except UnreadableError as error:
        raise RefusedError(f"can't be encoded: {error}", **_where(publication)) from error


class _Where(TypedDict):
    exchange: str
    routing_key: str
    message_id: str | None


def _where(publication: Publication) -> _Where:
    return {
        "exchange": publication.exchange,
        "routing_key": publication.routing_key,
        "message_id": publication.envelope.message_id,
    }
