"""Messages out: what the broker says to a publish, in the words of the port.

Receives `Publication`s from the adapter, hands them to the broker until their fate is known.
"""

import asyncio
from datetime import timedelta
from typing import TypedDict

from toolkit.errors import (
    MessageTooLargeError,
    PublishTimeoutError,
    RefusedError,
    UnroutableError,
)
from toolkit.messages.outgoing import Publication
from toolkit.transport.memory.broker import Fate, MemoryBroker
from toolkit.transport.memory.connection import Connection
from toolkit.transport.memory.message import NotEncodableError, size_of_properties, surely_fits
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.port import MOST_WAITING, TOO_MANY_WAIT

_FRAME_MAX = 131_072
"""Bytes; properties and headers travel in one frame (RabbitMQ's default since 3.0)."""
_FRAME_OVERHEAD = 8 + 12  # bytes of the frame, and of class, weight and body size


class Publisher:
    """Publishes over one connection."""

    def __init__(self, broker: MemoryBroker, connection: Connection) -> None:
        self._broker = broker
        self._connection = connection

    async def publish(self, publication: Publication, timeout: timedelta) -> None:
        """See `Transport.publish`. Each lets the others have a turn, so that a producer in the same
        process gets no further ahead of its consumers than a confirm from afar would let it.
        """
        await asyncio.sleep(0)
        fate = self._publish(publication) if self._connection.is_up else None
        if fate is not Fate.CONFIRMED:
            await self._until_known(publication, timeout, was_sent=fate is not None)

    async def _until_known(
        self, publication: Publication, timeout: timedelta, *, was_sent: bool
    ) -> None:
        """Again and again, until the broker has said what became of it, or it is too late."""
        if self._connection.waiting >= MOST_WAITING:
            raise RefusedError(TOO_MANY_WAIT, **_where(publication))
        deadline = self._broker.clock.now() + timeout
        while await self._connection.up_before(deadline):
            if not self._connection.is_up:
                continue  # lost again before it was this one's turn
            if self._publish(publication) is Fate.CONFIRMED:
                return
            was_sent = True
        known = (
            "it may have arrived; publish it again under the same message id"
            if was_sent
            else "it was not sent; the connection is down"
        )
        raise PublishTimeoutError(
            f"not confirmed within {timeout.total_seconds():g}s: {known}",
            **_where(publication),
            may_have_arrived=was_sent,
        )

    def _publish(self, publication: Publication) -> Fate:
        """Once. Raises what is known; after an unknown fate the connection is lost."""
        self._check_size(publication)
        try:
            fate = self._broker.publish(
                publication.envelope,
                publication.exchange,
                publication.routing_key,
                publisher=self,
                service=self._connection.service,
            )
        except Refusal as refusal:
            raise RefusedError(str(refusal), **_where(publication)) from refusal
        except NotEncodableError as error:
            raise RefusedError(f"it can't be encoded: {error}", **_where(publication)) from error
        if fate is Fate.RETURNED:
            raise UnroutableError(
                "no queue is bound that takes it; start the service that handles it, or look for "
                "a mistyped name",
                **_where(publication),
            )
        if fate is Fate.REFUSED:
            raise RefusedError(
                "the broker answered no: a queue is full, or its leader is away",
                **_where(publication),
            )
        if fate is Fate.UNKNOWN:
            self._connection.cut()
        return fate

    def _check_size(self, publication: Publication) -> None:
        """What a client finds out before it sends anything."""
        envelope = publication.envelope
        size, limit = len(envelope.body), self._broker.largest_body
        if size > limit:
            raise MessageTooLargeError(
                f"a body of {size:,} bytes is over this broker's limit of {limit:,}; "
                "store the content elsewhere and send a reference",
                **_where(publication),
            )
        if surely_fits(envelope):
            return
        size = size_of_properties(envelope) + _FRAME_OVERHEAD
        if size > _FRAME_MAX:
            raise MessageTooLargeError(
                f"properties and headers of {size:,} bytes are over this broker's frame of "
                f"{_FRAME_MAX:,}; put the data into the body",
                **_where(publication),
            )


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
