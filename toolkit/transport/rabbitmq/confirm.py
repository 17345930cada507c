"""The way out of a lane: publishes written together, and what the broker says of each.

Receives rendered messages for one channel with confirms, hands back a future for each, which the
broker's ack, nack or return resolves. The broker counts the publishes of a channel from 1 and may
confirm many at once; a return comes before the ack of its publish.
"""

import asyncio
from collections.abc import Iterable

from toolkit.errors import TransportError
from toolkit.transport.rabbitmq.frames import (
    BASIC,
    BASIC_ACK,
    BASIC_NACK,
    BASIC_RETURN,
    BODY,
    CONTENT,
    HEADER,
    METHOD,
    METHOD_ID,
    TAG,
    MalformedFrameError,
)
from toolkit.transport.rabbitmq.stream import Stream
from toolkit.transport.rabbitmq.wire import UnreadableError, decode_properties

_MUCH = 256 * 1024  # bytes written in one turn, after which the socket is asked whether it is full


class ReturnedError(TransportError):
    """No queue is bound that takes it."""


class NackedError(TransportError):
    """A queue said no."""


class ChannelGoneError(TransportError):
    """The channel went away before the broker had said anything. `reason` is what it said when it
    closed the channel, None if the connection was lost, or the channel closed by us.
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason or "the connection was lost")
        self.reason = reason


class _Pending:
    """One publish whose fate is not known yet."""

    __slots__ = ("fate", "is_returned", "message_id")

    def __init__(self, fate: "asyncio.Future[None]", message_id: str) -> None:
        self.fate = fate
        self.message_id = message_id
        self.is_returned = False


class ConfirmLane:
    """See `Lane`. No two publishes with one id are under way at a time: that is the caller's part,
    because a return names nothing but the id.
    """

    def __init__(self, channel: int, stream: Stream) -> None:
        self._channel = channel
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._next = 1
        self._oldest = 1
        self._pending: dict[int, _Pending] = {}
        self._by_id: dict[str, _Pending] = {}
        self._waiters: dict[str | None, asyncio.Event] = {}
        self._written: list[bytes] = []
        self._size = 0
        self._returning = -1  # bytes of a returned body that are yet to come
        self._expects_header = False
        self.is_open = True

    def publish(
        self, message_id: str, frames: Iterable[bytes], size: int
    ) -> "asyncio.Future[None]":
        """Goes out at the end of this turn of the loop, or once that much has gathered.

        The future ends with None once confirmed, or with one of the errors above; who cancels it
        gives up waiting, and no more.
        """
        fate = self._loop.create_future()
        pending = _Pending(fate, message_id)
        self._pending[self._next] = self._by_id[message_id] = pending
        self._next += 1
        if not self._written:
            self._loop.call_soon(self._write)
        self._written += frames
        self._size += size
        if self._size > _MUCH:
            self._write()
        return fate

    def has(self, message_id: str) -> bool:
        """Whether a publish with this id is under way, waited for or not."""
        return message_id in self._by_id

    async def without(self, message_id: str | None) -> None:
        """Returns once none with this id is under way; with None, once none is at all."""
        while self._pending if message_id is None else message_id in self._by_id:
            await self._waiters.setdefault(message_id, asyncio.Event()).wait()

    def lose(self, reason: str | None) -> None:
        """See `Lane`."""
        self.is_open = False
        self._written.clear()
        pending, self._pending = self._pending, {}
        for one in pending.values():
            self._end(one, ChannelGoneError(reason))
        self._wake(None)

    def take(self, kind: int, data: bytes, at: int, stop: int, end: int) -> int:
        """See `Lane`."""
        if kind == METHOD:
            if stop - at < METHOD_ID.size:
                return 0
            method = METHOD_ID.unpack_from(data, at)[0]
            if method not in (BASIC_ACK, BASIC_NACK, BASIC_RETURN):
                return 0
            if self._expects_header or self._returning > 0:
                raise MalformedFrameError(f"an unfinished return on channel {self._channel}")
            if method == BASIC_RETURN:
                self._expects_header = True
            else:
                self._confirm(data, at + METHOD_ID.size, stop, is_ack=method == BASIC_ACK)
        elif kind == HEADER and self._expects_header and stop - at >= CONTENT.size:
            self._return(data, at, stop)
        elif kind == BODY and stop - at <= self._returning:
            self._returning -= stop - at
        else:
            raise MalformedFrameError(
                f"a frame of type {kind} out of place on channel {self._channel}"
            )
        return stop + 1

    def _write(self) -> None:
        if self._written:
            self._stream.write(b"".join(self._written))
            self._written.clear()
            self._size = 0

    def _confirm(self, data: bytes, at: int, stop: int, *, is_ack: bool) -> None:
        if stop - at != TAG.size:
            raise MalformedFrameError(f"a confirm of {stop - at} bytes, not {TAG.size}")
        tag, bits = TAG.unpack_from(data, at)
        if bits & 1:
            self._confirm_all(tag, is_ack=is_ack)
            return
        pending = self._pending.pop(tag, None)
        if pending is None:
            raise MalformedFrameError(f"a confirm of publish {tag}, which it doesn't have to give")
        if tag == self._oldest:
            self._oldest += 1
        self._end(pending, None if is_ack else NackedError())
        if not self._pending:
            self._wake(None)

    def _confirm_all(self, tag: int, *, is_ack: bool) -> None:
        """All up to a tag that are not confirmed yet; tag 0 is all there are."""
        last = tag or self._next - 1
        if last >= self._next:
            raise MalformedFrameError(f"a confirm of publish {tag}, which was never made")
        for number in range(self._oldest, last + 1):
            pending = self._pending.pop(number, None)
            if pending is not None:
                self._end(pending, None if is_ack else NackedError())
        self._oldest = max(self._oldest, last + 1)
        if not self._pending:
            self._wake(None)

    def _return(self, data: bytes, at: int, stop: int) -> None:
        """The properties are ours, as they went out; only the id is needed."""
        class_id, _, length = CONTENT.unpack_from(data, at)
        try:
            properties = decode_properties(data[at + CONTENT.size : stop], b"")
        except UnreadableError as error:
            raise MalformedFrameError(f"a return that can't be read: {error}") from error
        pending = self._by_id.get(properties.message_id or "")
        if class_id != BASIC or pending is None:
            raise MalformedFrameError(
                f"a return of message {properties.message_id!r}, which isn't under way"
            )
        pending.is_returned = True
        self._expects_header = False
        self._returning = length

    def _end(self, pending: _Pending, error: TransportError | None) -> None:
        del self._by_id[pending.message_id]
        if self._waiters:
            self._wake(pending.message_id)
        fate = pending.fate
        if fate.done():
            return  # given up by its caller
        if error is None and pending.is_returned:
            error = ReturnedError()
        if error is None:
            fate.set_result(None)
        else:
            fate.set_exception(error)

    def _wake(self, key: str | None) -> None:
        event = self._waiters.pop(key, None)
        if event is not None:
            event.set()
