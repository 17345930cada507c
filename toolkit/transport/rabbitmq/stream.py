"""What comes from the broker, frame by frame: to the lane of its channel, or to the library.

Receives chunks from the socket, as they happen to be cut; hands each frame to the lane that has
claimed its channel, and all others, guarded, to the reader that aiormq reads from.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from toolkit.transport.rabbitmq.frames import (
    A_HEARTBEAT,
    AROUND,
    BODY,
    CHANNEL_CLOSE,
    CHANNEL_CLOSE_OK,
    CONNECTION_BLOCKED,
    CONNECTION_CLOSE,
    CONNECTION_UNBLOCKED,
    END,
    HEAD,
    HEADER,
    HEARTBEAT,
    LARGEST,
    METHOD,
    METHOD_ID,
    MalformedFrameError,
    short_at,
)

log = structlog.get_logger("toolkit.transport")

Guard = Callable[[int, bytes], bytes]
"""The payload of a frame as the library may read it, from the frame's type and payload."""

_KINDS = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_GREETING = b"AMQP"  # what a broker answers to a protocol that it doesn't speak
_FULL = 1024 * 1024  # bytes written and not yet taken by the network, from which on we wait
_SIGN_OF_LIFE = 1.0  # seconds after which the library hears that lanes are busy


class Lane(Protocol):
    """Takes the frames of one channel."""

    def take(self, kind: int, data: bytes, at: int, stop: int, end: int) -> int:
        """One frame, whose payload is `data[at:stop]`, of a chunk that ends at `end`.

        Where to go on: behind this frame, or behind others that were taken with it. 0 if the frame
        is not for a lane. Raises `MalformedFrameError`.
        """
        ...

    def lose(self, reason: str | None) -> None:
        """The channel is gone: what the broker said when it closed it, None if the whole
        connection went, or it was closed by us.
        """
        ...


class Stream(asyncio.StreamReaderProtocol):
    """The protocol of one connection, and the reader that the library is given."""

    def __init__(self, guard: Guard, loop: asyncio.AbstractEventLoop) -> None:
        self.reader = asyncio.StreamReader(loop=loop)
        super().__init__(self.reader, loop=loop)
        self._guard = guard
        self._time = loop.time
        self._lanes: dict[int, Lane] = {}
        self._rest: list[bytes] = []
        self._came = 0
        self._needed = 0
        self._passed_at = 0.0
        self._is_over = False
        self._room = asyncio.Event()
        self._room.set()
        self.transport: asyncio.Transport | None = None
        self.largest = LARGEST
        """Bytes of a frame, as agreed with the broker; 0 is without limit."""
        self.chunks = 0
        """How often something came."""
        self.has_answered = False
        """Whether a frame has come: there is a broker at the other end."""
        self.farewell: str | None = None
        """Why the connection is over: what the broker said, or what was wrong with its bytes."""
        self.is_blocked = False
        """Whether the broker takes nothing from publishers at present."""
        self.on_blocked: Callable[[], None] = lambda: None
        """Told when the broker blocks publishers, and when it no longer does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_FULL)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._is_over = True
        self._room.set()
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.lose(None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._room.clear()
        super().pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._room.set()
        super().resume_writing()

    @property
    def is_full(self) -> bool:
        """Whether the network doesn't take what was written already."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Returns once there is room for more, or the connection is gone."""
        while not self._room.is_set():  # who was woken first may have filled it again
            await self._room.wait()

    def write(self, data: bytes) -> None:
        """Whole frames, at once. On a connection that is gone they are forgotten."""
        if self.transport is not None and not self._is_over:
            self.transport.write(data)

    def claim(self, channel: int, lane: Lane) -> None:
        """From now on this lane gets the frames of that channel, until the channel is closed."""
        self._lanes[channel] = lane
        if self._is_over:
            lane.lose(None)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._is_over:
            return
        self.chunks += 1
        if self._rest:
            self._rest.append(data)
            self._came += len(data)
            if self._came < self._needed:
                return
            data = b"".join(self._rest)
            self._rest.clear()
        try:
            at = self._split(data)
        except MalformedFrameError as error:
            self._give_up(error)
            return
        self.has_answered = self.has_answered or at > 0
        if at < len(data):
            self._keep(data, at)

    def _split(self, data: bytes) -> int:
        """Hands on all whole frames; where the rest begins."""
        lanes = self._lanes
        passed: list[bytes] = []
        at, end = 0, len(data)
        while end - at >= AROUND:
            kind, channel, size = HEAD.unpack_from(data, at)
            start = at + 7
            stop = start + size
            if stop >= end:
                self._check(data, at, kind, size)
                break
            if data[stop] != END or kind not in _KINDS:
                raise _malformed(data, at)
            lane = lanes.get(channel)
            after = lane.take(kind, data, start, stop, end) if lane is not None else 0
            if not after:
                passed.append(self._seen(kind, channel, data, start, stop))
                after = stop + 1
            at = after
        if passed:
            self._passed_at = self._time()
            self.reader.feed_data(b"".join(passed))
        elif lanes and self._time() - self._passed_at > _SIGN_OF_LIFE:
            # The library takes a connection for dead on which it sees nothing.
            self._passed_at = self._time()
            self.reader.feed_data(A_HEARTBEAT)
        return at

    def _keep(self, data: bytes, at: int) -> None:
        """The beginning of a frame, until the rest of it has come."""
        rest = data[at:]
        self._rest.append(rest)
        self._came = len(rest)
        self._needed = AROUND
        if self._came >= HEAD.size:
            self._needed += HEAD.unpack_from(rest)[2]

    def _check(self, data: bytes, at: int, kind: int, size: int) -> None:
        """Before more is waited for. Raises `MalformedFrameError` if that makes no sense."""
        if kind not in _KINDS:
            raise _malformed(data, at)
        if self.largest and size + AROUND > self.largest:
            raise MalformedFrameError(
                f"a frame of {size + AROUND:,} bytes, where {self.largest:,} were agreed"
            )

    def _seen(self, kind: int, channel: int, data: bytes, start: int, stop: int) -> bytes:
        """A frame on its way to the library, as the library may read it."""
        payload = data[start:stop]
        if kind == METHOD and stop - start >= METHOD_ID.size:
            self._note(METHOD_ID.unpack_from(payload)[0], channel, payload)
        guarded = self._guard(kind, payload)
        if guarded is payload:
            return data[start - HEAD.size : stop + 1]
        return HEAD.pack(kind, channel, len(guarded)) + guarded + bytes((END,))

    def _note(self, method: int, channel: int, payload: bytes) -> None:
        """What concerns a connection or a channel as a whole is known here first."""
        if method == CONNECTION_CLOSE:
            self.farewell = _reason(payload)
        elif method in (CONNECTION_BLOCKED, CONNECTION_UNBLOCKED):
            self.is_blocked = method == CONNECTION_BLOCKED
            self.on_blocked()
        elif method == CHANNEL_CLOSE and channel in self._lanes:
            self._lanes.pop(channel).lose(_reason(payload))
        elif method == CHANNEL_CLOSE_OK and channel in self._lanes:
            self._lanes.pop(channel).lose(None)

    def _give_up(self, error: MalformedFrameError) -> None:
        """There is no way back into the stream from bytes that make no sense."""
        self.farewell = f"the broker sent {error}"
        log.error("malformed frame; the connection is given up", error=str(error))
        self._is_over = True
        if self.transport is not None:
            self.transport.abort()


def _malformed(data: bytes, at: int) -> MalformedFrameError:
    kind, channel, size = HEAD.unpack_from(data, at)
    if data.startswith(_GREETING, at):
        return MalformedFrameError("another protocol's greeting: it doesn't speak AMQP 0-9-1")
    if kind not in _KINDS:
        return MalformedFrameError(f"a frame of type {kind}, which AMQP 0-9-1 doesn't know")
    return MalformedFrameError(
        f"a frame of type {kind} on channel {channel} that doesn't end after its {size:,} bytes"
    )


def _reason(payload: bytes) -> str:
    """The text of a Close, with its code: "NOT_FOUND - no queue ..." after 404."""
    text, _ = short_at(payload, 6, len(payload))
    return text.decode("utf-8", "backslashreplace")
