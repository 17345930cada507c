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
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TypedDict

from toolkit.errors import (
    ConnectionLostError,
    MessageTooLargeError,
    PublishTimeoutError,
    RefusedError,
    UnroutableError,
)
from toolkit.messages.outgoing import Publication
from toolkit.topology.declarations import Version
from toolkit.transport.port import MOST_WAITING, TOO_MANY_WAIT
from toolkit.transport.rabbitmq.confirm import ChannelGoneError, NackedError, ReturnedError
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.deadline import Deadlines
from toolkit.transport.rabbitmq.outlet import PublishChannel, open_publish_channel
from toolkit.transport.rabbitmq.wire import UnreadableError, encode_properties

MIB = 1024 * 1024
_CONTENT_HEADER_OVERHEAD = 8 + 12  # bytes of the frame, and of class, weight and body size
_BEFORE_NEXT_TRY = 0.05  # seconds, until the connection's watch has seen that it is gone
_EXCHANGE = re.compile(r"exchange '(?P<name>[^']*)' in vhost")
_DEFAULT_EXCHANGE = "amq.default"  # what the broker calls the nameless one when it refuses
_REPLACED_EVERY = 1.0  # seconds at least, for a channel that is told no: the queue may be full
_HOPELESS_AFTER = 2  # lost channels, alone on one, until a publish is held to be their cause


def largest_body(version: Version) -> int:
    """Bytes: 16 MiB from RabbitMQ 4.0 on, 128 MiB before (release notes of 4.0)."""
    return 16 * MIB if version >= (4, 0) else 128 * MIB


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
        self._channel: PublishChannel | None = None
        self._apart: PublishChannel | None = None
        self._kept_until = 0.0
        self._replaced: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()
        self._one_suspect_at_a_time = asyncio.Lock()
        self._outstanding: dict[str, asyncio.Event | None] = {}
        self._deadlines: dict[timedelta, Deadlines] = {}

    async def open(self) -> None:
        """Opens the channel, so that the first publish doesn't wait for it."""
        await self._shared_channel()

    async def publish(self, publication: Publication, timeout: timedelta) -> None:
        """See `Transport.publish`."""
        self._check_body(publication)
        message_id = publication.envelope.message_id
        assert message_id, "the engine gives every publication an id"
        properties = self._encoded(publication)
        attempt = _Attempt()
        began = monotonic()
        channel = self._channel
        if (
            channel is not None
            and self._link.is_usable
            and message_id not in self._outstanding
            and self._fits(channel, publication, properties)
        ):
            fate = channel.at_once(publication, properties)
            if fate is not None and await self._known(fate, channel, publication, timeout, attempt):
                return
        if len(self._outstanding) >= MOST_WAITING and not self._link.is_usable:
            raise _refused(publication, TOO_MANY_WAIT)
        try:
            async with asyncio.timeout(timeout.total_seconds() - (monotonic() - began)):
                await self._alone_with_its_id(publication, properties, attempt)
        except TimeoutError as error:
            raise self._too_late(publication, attempt, timeout) from error

    async def close(self) -> None:
        """Closes the channels; a publish that is still outstanding is lost with them."""
        for task in list(self._replaced):
            task.cancel()
        for channel in (self._channel, self._apart):
            if channel is not None:
                await channel.close()

    async def _known(
        self,
        fate: "asyncio.Future[None]",
        channel: PublishChannel,
        publication: Publication,
        timeout: timedelta,
        attempt: _Attempt,
    ) -> bool:
        """The usual case: it went out at once. Whether its fate is known; raises what is."""
        message_id = publication.envelope.message_id or ""
        deadlines = self._deadlines.get(timeout) or self._deadlines_of(timeout)
        self._outstanding[message_id] = None
        attempt.was_sent = True
        deadlines.add(fate)
        try:
            await fate
            return True
        except ReturnedError as error:
            raise _unroutable(publication) from error
        except NackedError as error:
            self._replace(channel)
            raise _nacked(publication) from error
        except ChannelGoneError as error:
            if error.reason is not None:
                self._suspect(publication, attempt, error.reason)
            return False
        except TimeoutError as error:
            raise self._too_late(publication, attempt, timeout) from error
        finally:
            deadlines.discard(fate)
            self._free(message_id)

    def _deadlines_of(self, timeout: timedelta) -> Deadlines:
        """One for each length in use; there is one default, so there are few."""
        for length in [
            length for length, deadlines in self._deadlines.items() if deadlines.is_idle
        ]:
            del self._deadlines[length]
        return self._deadlines.setdefault(timeout, Deadlines(timeout))

    async def _alone_with_its_id(
        self, publication: Publication, properties: bytes, attempt: _Attempt
    ) -> None:
        message_id = publication.envelope.message_id or ""
        while message_id in self._outstanding:
            await self._told_when_over(message_id).wait()
        self._outstanding[message_id] = None
        try:
            await self._until_known(publication, properties, attempt)
        finally:
            self._free(message_id)

    def _free(self, message_id: str) -> None:
        waiting = self._outstanding.pop(message_id)
        if waiting is not None:
            waiting.set()

    def _told_when_over(self, message_id: str) -> asyncio.Event:
        """An event only for ids that somebody waits for, which is rare."""
        event = self._outstanding[message_id] or asyncio.Event()
        self._outstanding[message_id] = event
        return event

    async def _until_known(
        self, publication: Publication, properties: bytes, attempt: _Attempt
    ) -> None:
        """Again and again, until the broker has said what became of it."""
        while True:
            try:
                if attempt.is_suspect:
                    await self._alone(publication, properties, attempt)
                else:
                    await self._among_others(publication, properties, attempt)
                return
            except ChannelGoneError as error:
                if error.reason is not None:
                    self._suspect(publication, attempt, error.reason)
                    continue
            except ConnectionLostError:
                pass
            # Unknown: once more, under the same id. Ever more slowly, in case it is this very
            # message over which the broker closes the connection.
            await asyncio.sleep(_BEFORE_NEXT_TRY * 2 ** min(attempt.connections_lost, 6))
            attempt.connections_lost += 1

    async def _among_others(
        self, publication: Publication, properties: bytes, attempt: _Attempt
    ) -> None:
        """On the channel that all share."""
        channel = await self._shared_channel()
        try:
            await self._on_channel(channel, publication, properties, attempt)
        except RefusedError:
            self._replace(channel)
            raise

    def _replace(self, channel: PublishChannel) -> None:
        """The next publish opens another one; what is under way on this one goes on."""
        now = monotonic()
        if channel is self._channel and now >= self._kept_until:
            self._kept_until = now + _REPLACED_EVERY
            self._channel = None
            closing = asyncio.create_task(_close_when_idle(channel), name="close a channel")
            self._replaced.add(closing)
            closing.add_done_callback(self._replaced.discard)

    def _suspect(self, publication: Publication, attempt: _Attempt, reason: str) -> None:
        """Whether this publication is what the broker closed the channel over."""
        named = _EXCHANGE.search(reason)
        if named is not None:
            if named["name"] == (publication.exchange or _DEFAULT_EXCHANGE):
                raise _refused(publication, reason)
            return  # somebody else's fault
        if attempt.is_suspect:
            attempt.channels_lost_alone += 1
            if attempt.channels_lost_alone >= _HOPELESS_AFTER:
                raise _refused(publication, reason)
        attempt.is_suspect = True

    async def _alone(self, publication: Publication, properties: bytes, attempt: _Attempt) -> None:
        """On a channel where nothing else is outstanding; it is kept until somebody loses it."""
        connection = await self._link.ready()
        async with self._one_suspect_at_a_time:
            if self._apart is None or not self._apart.is_open:
                self._apart = await open_publish_channel(connection)
            await self._on_channel(self._apart, publication, properties, attempt)

    async def _on_channel(
        self,
        channel: PublishChannel,
        publication: Publication,
        properties: bytes,
        attempt: _Attempt,
    ) -> None:
        """Once. Raises what is known, or `ChannelGoneError` for what is not."""
        self._fits(channel, publication, properties)
        await channel.room()
        await channel.without(publication.envelope.message_id or "")
        if not channel.is_open:
            raise ChannelGoneError(None)  # while this waited
        try:
            attempt.was_sent = True
            await channel.publish(publication, properties)
        except ReturnedError as error:
            raise _unroutable(publication) from error
        except NackedError as error:
            raise _nacked(publication) from error

    async def _shared_channel(self) -> PublishChannel:
        channel = self._channel
        if channel is not None and channel.is_open and self._link.is_usable:
            return channel
        connection = await self._link.ready()
        async with self._opening:
            if self._channel is None or not self._channel.is_open:
                self._channel = await open_publish_channel(connection)
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

    def _encoded(self, publication: Publication) -> bytes:
        try:
            return encode_properties(publication.envelope)
        except UnreadableError as error:
            raise _refused(publication, f"it can't be encoded: {error}") from error

    def _fits(self, channel: PublishChannel, publication: Publication, properties: bytes) -> bool:
        """True. Properties and headers travel in one frame; a larger one closes the connection, so
        it is refused here.
        """
        size = len(properties) + _CONTENT_HEADER_OVERHEAD
        if size > channel.largest:
            raise MessageTooLargeError(
                f"properties and headers of {size:,} bytes are over this broker's frame of "
                f"{channel.largest:,}; put the data into the body",
                **_where(publication),
            )
        return True

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


async def _close_when_idle(channel: PublishChannel) -> None:
    await channel.without(None)
    await channel.close()


def _unroutable(publication: Publication) -> UnroutableError:
    return UnroutableError(
        "no queue is bound that takes it; start the service that handles it, or look for a "
        "mistyped name",
        **_where(publication),
    )


def _nacked(publication: Publication) -> RefusedError:
    return _refused(publication, "the broker answered no: a queue is full, or its leader is away")


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
