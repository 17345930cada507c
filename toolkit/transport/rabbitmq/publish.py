"""Messages out: mandatory, persistent, and not done before the broker has confirmed.

Receives `Publication`s from the engine, hands them to a channel of the publishing connection.

Four rules of the broker shape this file. A publish to a missing exchange closes the channel and
takes every outstanding confirm along, so innocents are published again and suspects get a
channel of their own. A lost connection leaves the fate of a message unknown, so it is published
again under its id. A channel that first publishes to a quorum queue while it has no leader is told
no ever after (seen on 3.10), so one that was told no is replaced. A return is matched to its
publish by message id, so two with one id are never outstanding together.
"""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from aiormq import exceptions as foreign
from aiormq.channel import Channel as WireChannel

from toolkit.errors import (
    ConnectionLostError,
    MessageTooLargeError,
    PublishTimeoutError,
    RefusedError,
    TransportError,
    UnroutableError,
)
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Version
from toolkit.transport.port import MOST_WAITING, TOO_MANY_WAIT
from toolkit.transport.rabbitmq.channel import OpenChannel, open_channel
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.translate import LOST, RawProperties, was_cancelled
from toolkit.transport.rabbitmq.wire import UnreadableError, encode_properties

MIB = 1024 * 1024
_SMALL_BODY = 64 * 1024  # bytes up to which the socket's buffer is not waited for
_CONTENT_HEADER_OVERHEAD = 8 + 12  # bytes of the frame, and of class, weight and body size
_BEFORE_NEXT_TRY = 0.05  # seconds, until the connection's watch has seen that it is gone
_EXCHANGE = re.compile(r"exchange '(?P<name>[^']*)' in vhost")
_DEFAULT_EXCHANGE = "amq.default"  # what the broker calls the nameless one when it refuses
_REPLACED_EVERY = 1.0  # seconds at least, for a channel that is told no: the queue may be full
_HOPELESS_AFTER = 2  # lost channels, alone on one, until a publish is held to be their cause


def largest_body(version: Version) -> int:
    """Bytes: 16 MiB from RabbitMQ 4.0 on, 128 MiB before (release notes of 4.0)."""
    return 16 * MIB if version >= (4, 0) else 128 * MIB


class _ChannelRefusedError(TransportError):
    """The broker closed the channel over something that was published on it."""


@dataclass(slots=True)
class _Attempt:
    """How one publication has fared so far."""

    was_sent: bool = False
    is_suspect: bool = False
    channels_lost_alone: int = 0
    connections_lost: int = 0


class Publisher:
    """Publishes on one channel that is replaced when it is lost."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: OpenChannel | None = None
        self._apart: OpenChannel | None = None
        self._using: Counter[OpenChannel] = Counter()
        self._kept_until = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()
        self._one_suspect_at_a_time = asyncio.Lock()
        self._outstanding: dict[str, asyncio.Event | None] = {}

    async def open(self) -> None:
        """Opens the channel, so that the first publish doesn't wait for it."""
        await self._shared_channel()

    async def publish(self, publication: Publication, timeout: timedelta) -> None:
        """See `Transport.publish`."""
        self._check_body(publication)
        if len(self._outstanding) >= MOST_WAITING and not self._link.is_usable:
            raise _refused(publication, TOO_MANY_WAIT)
        attempt = _Attempt()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._alone_with_its_id(publication, attempt)
        except TimeoutError as error:
            raise self._too_late(publication, attempt, timeout) from error

    async def close(self) -> None:
        """Closes the channels; a publish that is still outstanding is lost with them."""
        for channel in (self._channel, self._apart):
            if channel is not None:
                await channel.close()

    async def _alone_with_its_id(self, publication: Publication, attempt: _Attempt) -> None:
        message_id = publication.envelope.message_id
        assert message_id, "the engine gives every publication an id"
        while message_id in self._outstanding:
            await self._told_when_over(message_id).wait()
        self._outstanding[message_id] = None
        try:
            await self._until_known(publication, attempt)
        finally:
            waiting = self._outstanding.pop(message_id)
            if waiting is not None:
                waiting.set()

    def _told_when_over(self, message_id: str) -> asyncio.Event:
        """An event only for ids that somebody waits for, which is rare."""
        event = self._outstanding[message_id] or asyncio.Event()
        self._outstanding[message_id] = event
        return event

    async def _until_known(self, publication: Publication, attempt: _Attempt) -> None:
        """Again and again, until the broker has said what became of it."""
        properties = self._encoded(publication)
        while True:
            try:
                if attempt.is_suspect:
                    await self._alone(publication, properties, attempt)
                else:
                    await self._among_others(publication, properties, attempt)
                return
            except _ChannelRefusedError as error:
                self._suspect(publication, attempt, error)
            except ConnectionLostError:
                # Unknown: once more, under the same id. Ever more slowly, in case it is this very
                # message over which the broker closes the connection.
                await asyncio.sleep(_BEFORE_NEXT_TRY * 2 ** min(attempt.connections_lost, 6))
                attempt.connections_lost += 1

    async def _among_others(
        self, publication: Publication, properties: RawProperties, attempt: _Attempt
    ) -> None:
        """On the channel that all share; once it is replaced, the last to use it closes it."""
        channel = await self._shared_channel()
        self._using[channel] += 1
        try:
            await self._on_channel(channel.wire, publication, properties, attempt)
        except RefusedError:
            self._replace(channel)
            raise
        finally:
            self._using[channel] -= 1
            if not self._using[channel]:
                del self._using[channel]
                if channel is not self._channel and channel.is_open:
                    self._close_aside(channel)

    def _replace(self, channel: OpenChannel) -> None:
        """The next publish opens another one; what is under way on this one goes on."""
        now = asyncio.get_running_loop().time()
        if channel is self._channel and now >= self._kept_until:
            self._kept_until = now + _REPLACED_EVERY
            self._channel = None

    def _close_aside(self, channel: OpenChannel) -> None:
        closing = asyncio.create_task(channel.close(), name="close a replaced channel")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _suspect(
        self, publication: Publication, attempt: _Attempt, error: _ChannelRefusedError
    ) -> None:
        """Whether this publication is what the broker closed the channel over."""
        named = _EXCHANGE.search(str(error))
        if named is not None:
            if named["name"] == (publication.exchange or _DEFAULT_EXCHANGE):
                raise _refused(publication, str(error)) from error
            return  # somebody else's fault
        if attempt.is_suspect:
            attempt.channels_lost_alone += 1
            if attempt.channels_lost_alone >= _HOPELESS_AFTER:
                raise _refused(publication, str(error)) from error
        attempt.is_suspect = True

    async def _alone(
        self, publication: Publication, properties: RawProperties, attempt: _Attempt
    ) -> None:
        """On a channel where nothing else is outstanding; it is kept until somebody loses it."""
        connection = await self._link.ready()
        async with self._one_suspect_at_a_time:
            if self._apart is None or not self._apart.is_open:
                self._apart = await open_channel(connection)
            await self._on_channel(self._apart.wire, publication, properties, attempt)

    async def _on_channel(
        self,
        wire: WireChannel,
        publication: Publication,
        properties: RawProperties,
        attempt: _Attempt,
    ) -> None:
        """Once. Raises what is known, or `ConnectionLostError` for what is not."""
        body = publication.envelope.body
        self._check_frame(wire, publication, properties)
        try:
            attempt.was_sent = True
            await wire.basic_publish(
                body,
                exchange=publication.exchange,
                routing_key=publication.routing_key,
                properties=properties,
                mandatory=True,
                wait=len(body) > _SMALL_BODY,
            )
        except foreign.PublishError as error:
            raise UnroutableError(
                "no queue is bound that takes it; start the service that handles it, or look for "
                "a mistyped name",
                **_where(publication),
            ) from error
        except foreign.DeliveryError as error:
            raise _refused(
                publication, "the broker answered no: a queue is full, or its leader is away"
            ) from error
        except foreign.ChannelClosed as error:
            raise _ChannelRefusedError(str(error)) from error
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise _lost(wire, error) from error
        except LOST as error:
            raise _lost(wire, error) from error

    async def _shared_channel(self) -> OpenChannel:
        channel = self._channel
        if channel is not None and channel.is_open and self._link.is_usable:
            return channel
        connection = await self._link.ready()
        async with self._opening:
            if self._channel is None or not self._channel.is_open:
                self._channel = await open_channel(connection)
            return self._channel

    def _check_body(self, publication: Publication) -> None:
        size = len(publication.envelope.body)
        limit = largest_body(self._link.version)
        if size > limit:
            raise MessageTooLargeError(
                f"a body of {size:,} bytes is over this broker's limit of {limit:,}; "
                "store the content elsewhere and send a reference",
                **_where(publication),
            )

    def _encoded(self, publication: Publication) -> RawProperties:
        envelope = publication.envelope
        try:
            return RawProperties(encode_properties(envelope), envelope.message_id or "")
        except UnreadableError as error:
            raise _refused(publication, f"it can't be encoded: {error}") from error

    def _check_frame(
        self, wire: WireChannel, publication: Publication, properties: RawProperties
    ) -> None:
        """Properties and headers travel in one frame; a larger one closes the connection."""
        size = len(properties.raw) + _CONTENT_HEADER_OVERHEAD
        limit = wire.connection.connection_tune.frame_max
        if size > limit:
            raise MessageTooLargeError(
                f"properties and headers of {size:,} bytes are over this broker's frame of "
                f"{limit:,}; put the data into the body",
                **_where(publication),
            )

    def _too_late(
        self, publication: Publication, attempt: _Attempt, timeout: timedelta
    ) -> PublishTimeoutError:
        known = (
            "it may have arrived; publish it again under the same message id"
            if attempt.was_sent
            else f"it was not sent; the connection is {self._link.condition.state}"
        )
        return PublishTimeoutError(
            f"not confirmed within {timeout.total_seconds():g}s: {known}",
            **_where(publication),
            may_have_arrived=attempt.was_sent,
        )


def _lost(wire: WireChannel, error: BaseException) -> TransportError:
    """Whether the connection went away, or just the channel, over somebody's publish."""
    reason = getattr(wire, "_close_exception", None) or error
    if isinstance(reason, foreign.ChannelClosed) and reason.args != (None, None):
        return _ChannelRefusedError(str(reason))
    return ConnectionLostError(f"the connection was lost during a publish: {error}")


def _refused(publication: Publication, reason: str) -> RefusedError:
    return RefusedError(reason, **_where(publication))


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
