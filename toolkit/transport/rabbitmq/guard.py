"""Keeps a stranger's properties away from the library's reader.

Receives the stream of a connection, hands aiormq the same frames, save that in each content
header the properties are wrapped into one byte string, or left out. `unwrapped` takes them out
again, for `wire` to read. aiormq offers `TransportFactory` for that.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from aio_pika import Connection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.commands import Basic
from yarl import URL

from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.wire import (
    UnreadableError,
    decode_properties,
    encode_properties,
)

_FRAME = struct.Struct(">BHI")  # type, channel, size: AMQP 0-9-1, section 2.3.5
_METHOD = 1
_CONNECTION_CLOSE = struct.pack(">HH", 10, 50)  # then a reply code and a reply text
_BASIC_DELIVER = struct.pack(">HH", 60, 60)
_CONTENT_HEADER = 2
_FIXED_PART = 12  # class, weight and body size, before the properties
_HEADERS_ONLY = b"\x20\x00"  # the property flag of the header table
_NAME = "raw"
_AROUND = struct.Struct(">I4scI")  # the table's size, its one name, the type and size of its value
_AROUND_VALUE = 4 + 1 + 4  # of these bytes, those that the table's size counts


class GuardedConnection(Connection):
    """An aio-pika connection that reads through a guard, and remembers the broker's goodbye."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stream = _GuardedTransport(self._guard())
        self.kwargs["transport_factory"] = self._stream

    def _guard(self) -> Callable[[bytes], bytes]:
        """What is done to the payload of a content header."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drops the socket, without a goodbye."""
        self._stream.abort()

    @property
    def heartbeat(self) -> float:
        """Seconds, as its URL says; 0 is none."""
        return float(self.url.query.get("heartbeat", 0))

    @property
    def frames(self) -> int:
        """How many frames have come from the broker; none means that it never answered."""
        return self._stream.frames

    @property
    def farewell(self) -> str | None:
        """What the broker said when it closed the connection; None if it said nothing."""
        return self._stream.farewell


class ConsumingConnection(GuardedConnection):
    """Its content headers come wrapped; see `unwrapped`."""

    def _guard(self) -> Callable[[bytes], bytes]:
        return _wrapped


class PublishingConnection(GuardedConnection):
    """Its returned messages bring nothing back but their id."""

    def _guard(self) -> Callable[[bytes], bytes]:
        return _with_only_the_id


def unwrapped(properties: Basic.Properties) -> bytes:
    """The property list as it came."""
    headers: Any = properties.headers
    return bytes(headers[_NAME])


class _GuardedTransport(TransportFactory):
    def __init__(self, guard: Callable[[bytes], bytes]) -> None:
        self._guard = guard
        self._writer: asyncio.StreamWriter | None = None
        self.frames = 0
        self.farewell: str | None = None

    def abort(self) -> None:
        """See `GuardedConnection`."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        inner = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await inner.create(url, **kwargs)
        self._writer = writer
        guarded = _GuardedReader(reader, self)
        return guarded, writer  # type: ignore[return-value] # all that aiormq calls is there

    def see(self, kind: int, payload: bytes) -> bytes:
        """One frame on its way to the library, as the library may read it."""
        self.frames += 1
        if kind == _CONTENT_HEADER:
            return self._guard(payload)
        if kind == _METHOD:
            if payload.startswith(_BASIC_DELIVER):
                return _with_readable_key(payload)
            if payload.startswith(_CONNECTION_CLOSE):
                self.farewell = payload[7 : 7 + payload[6]].decode("utf-8", "backslashreplace")
        return payload


class _GuardedReader:
    """Reads whole frames, and gives them out in the pieces that aiormq asks for."""

    def __init__(self, inner: asyncio.StreamReader, transport: _GuardedTransport) -> None:
        self._inner = inner
        self._transport = transport
        self._frame = b""
        self._at = 0

    def at_eof(self) -> bool:
        """Whether nothing is left and nothing will come."""
        return self._at >= len(self._frame) and self._inner.at_eof()

    async def read(self, count: int = -1) -> bytes:
        """What is left of this frame, or of the stream."""
        rest, self._frame, self._at = self._frame[self._at :], b"", 0
        return rest or await self._inner.read(count)

    async def readexactly(self, count: int) -> bytes:
        """The next piece of a frame."""
        if self._at >= len(self._frame):
            await self._next_frame()
        end = self._at + count
        if end > len(self._frame):  # not a frame: the broker's answer to a wrong protocol
            self._frame += await self._inner.readexactly(end - len(self._frame))
        piece = self._frame[self._at : end]
        self._at = end
        return piece

    async def _next_frame(self) -> None:
        head = await self._inner.readexactly(_FRAME.size)
        self._at = 0
        if head.startswith(b"AMQP"):
            self._frame = head
            return
        kind, channel, size = _FRAME.unpack(head)
        payload = await self._inner.readexactly(size + 1)
        payload = self._transport.see(kind, payload)
        self._frame = _FRAME.pack(kind, channel, len(payload) - 1) + payload


def _wrapped(payload: bytes) -> bytes:
    raw, end = payload[_FIXED_PART:-1], payload[-1:]
    name = bytes((len(_NAME),)) + _NAME.encode()
    around = _AROUND.pack(len(raw) + _AROUND_VALUE, name, b"x", len(raw))
    return payload[:_FIXED_PART] + _HEADERS_ONLY + around + raw + end


def _with_only_the_id(payload: bytes) -> bytes:
    """The content header of a return: copies of hostile messages come back here too, but their
    ids are ours or readable.
    """
    try:
        returned = decode_properties(payload[_FIXED_PART:-1], b"")
        kept = encode_properties(Envelope(b"", message_id=returned.message_id))
    except UnreadableError:
        kept = encode_properties(Envelope(b""))
    return payload[:_FIXED_PART] + kept + payload[-1:]


def _with_readable_key(payload: bytes) -> bytes:
    r"""The delivery with its routing key in UTF-8; bytes that are none are written as \xNN."""
    at = 4 + 1 + payload[4] + 8 + 1  # after the consumer tag, the delivery tag and the bit
    at += 1 + payload[at]  # after the exchange, whose name had to be UTF-8 to be declared by us
    key = payload[at + 1 : -1]
    try:
        key.decode()
    except UnicodeDecodeError:
        key = key.decode("utf-8", "backslashreplace").encode()[:255]
        key = key.decode("utf-8", "ignore").encode()  # the cut may have halved a character
        return payload[:at] + bytes((len(key),)) + key + payload[-1:]
    return payload
