"""Channels to publish on, one kind for each lane.

Receives publications with their properties encoded, hands them to the broker and back what it said,
in the same three errors for both.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable

from aiormq import exceptions as foreign

from toolkit.messages.outgoing import Publication
from toolkit.transport.rabbitmq.channel import OpenChannel, open_channel
from toolkit.transport.rabbitmq.confirm import (
    ChannelGoneError,
    ConfirmLane,
    NackedError,
    ReturnedError,
)
from toolkit.transport.rabbitmq.frames import content, publishing
from toolkit.transport.rabbitmq.guard import GuardedConnection
from toolkit.transport.rabbitmq.stream import Stream
from toolkit.transport.rabbitmq.translate import LOST, RawProperties, was_cancelled

_SMALL_BODY = 64 * 1024  # bytes up to which the socket's buffer is not waited for
_NO_LIMIT = 2**31
_MOST_ROUTES = 1_000  # rendered ones that are kept


class PublishChannel(ABC):
    """A channel with confirms."""

    def __init__(self, channel: OpenChannel) -> None:
        self.channel = channel
        self.largest = channel.wire.connection.connection_tune.frame_max or _NO_LIMIT
        """Bytes of a frame, as agreed with the broker."""

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether a publish on it can reach the broker."""

    def at_once(self, publication: Publication, properties: bytes) -> "asyncio.Future[None] | None":
        """As `publish`, where nothing stands in the way and nothing has to be waited for; None
        otherwise. A future can be ended early.
        """
        return None

    async def room(self) -> None:  # noqa: B027 - the library waits by itself
        """Returns once there is room for more, or the connection is gone."""

    @abstractmethod
    async def without(self, message_id: str | None) -> None:
        """Returns once none with this id is under way; with None, once none is at all."""

    @abstractmethod
    def publish(self, publication: Publication, properties: bytes) -> "Awaitable[None]":
        """Once, mandatory. Raises `ReturnedError`, `NackedError` or `ChannelGoneError`."""

    async def close(self) -> None:
        """What is under way on it is lost: nobody knows its fate."""
        await self.channel.close()


class FastChannel(PublishChannel):
    """Writes to the socket itself, at the end of the turn."""

    def __init__(self, channel: OpenChannel, stream: Stream) -> None:
        super().__init__(channel)
        self._number = channel.wire.number
        self._stream = stream
        self._methods: dict[tuple[str, str], bytes] = {}
        self._lane = ConfirmLane(self._number, stream)
        stream.claim(self._number, self._lane)

    @property
    def is_open(self) -> bool:
        """See `PublishChannel`."""
        return self._lane.is_open

    def at_once(self, publication: Publication, properties: bytes) -> "asyncio.Future[None] | None":
        """See `PublishChannel`."""
        lane = self._lane
        if (
            not lane.is_open
            or self._stream.is_full
            or lane.has(publication.envelope.message_id or "")
        ):
            return None
        return self.publish(publication, properties)

    async def room(self) -> None:
        """See `PublishChannel`."""
        await self._stream.room()

    async def without(self, message_id: str | None) -> None:
        """See `PublishChannel`."""
        await self._lane.without(message_id)

    def publish(self, publication: Publication, properties: bytes) -> "asyncio.Future[None]":
        """See `PublishChannel`."""
        route = publication.exchange, publication.routing_key
        envelope = publication.envelope
        return self._lane.publish(
            envelope.message_id or "",
            (
                self._methods.get(route) or self._rendered(*route),
                *content(self._number, properties, envelope.body, self.largest),
            ),
            len(envelope.body),
        )

    def _rendered(self, exchange: str, routing_key: str) -> bytes:
        if len(self._methods) >= _MOST_ROUTES:
            self._methods.clear()
        method = publishing(self._number, exchange, routing_key)
        self._methods[exchange, routing_key] = method
        return method


class PlainChannel(PublishChannel):
    """Goes through the library."""

    def __init__(self, channel: OpenChannel) -> None:
        super().__init__(channel)
        self._under_way: set[str] = set()
        self._less = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """See `PublishChannel`."""
        return self.channel.is_open

    async def without(self, message_id: str | None) -> None:
        """See `PublishChannel`."""
        while self._under_way if message_id is None else message_id in self._under_way:
            self._less.clear()
            await self._less.wait()

    async def publish(self, publication: Publication, properties: bytes) -> None:
        """See `PublishChannel`."""
        message_id = publication.envelope.message_id or ""
        self._under_way.add(message_id)
        try:
            await self._publish(publication, RawProperties(properties, message_id))
        finally:
            self._under_way.discard(message_id)
            self._less.set()

    async def _publish(self, publication: Publication, properties: RawProperties) -> None:
        body = publication.envelope.body
        try:
            await self.channel.wire.basic_publish(
                body,
                exchange=publication.exchange,
                routing_key=publication.routing_key,
                properties=properties,
                mandatory=True,
                wait=len(body) > _SMALL_BODY,
            )
        except foreign.PublishError as error:
            raise ReturnedError from error
        except foreign.DeliveryError as error:
            raise NackedError from error
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise ChannelGoneError(self._reason(error)) from error
        except LOST as error:
            raise ChannelGoneError(self._reason(error)) from error

    def _reason(self, error: BaseException) -> str | None:
        """What the broker said, where it was just the channel, over somebody's publish."""
        reason = getattr(self.channel.wire, "_close_exception", None) or error
        if isinstance(reason, foreign.ChannelClosed) and reason.args != (None, None):
            return str(reason)
        return None


async def open_publish_channel(connection: GuardedConnection) -> PublishChannel:
    """On the lane of the connection. Raises `ConnectionLostError`."""
    channel = await open_channel(connection)
    return FastChannel(channel, connection.stream) if connection.is_fast else PlainChannel(channel)
