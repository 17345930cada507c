"""Keeps a stranger's properties away from the library's reader.

Makes the stream of a connection, on which aiormq gets the frames that no lane takes, save that in
each content header the properties are wrapped into one byte string, or left out. `unwrapped` takes
them out again, for `wire` to read. aiormq offers `TransportFactory` for that.
"""

import asyncio
import struct
from typing import Any

from aio_pika import Connection
from aio_pika.abc import TimeoutType
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from pamqp.commands import Basic
from yarl import URL

from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.frames import BASIC_DELIVER, CONTENT, HEADER, METHOD, METHOD_ID
from toolkit.transport.rabbitmq.stream import Guard, Stream
from toolkit.transport.rabbitmq.wire import (
    UnreadableError,
    decode_properties,
    encode_properties,
)

_BASIC_DELIVER = METHOD_ID.pack(BASIC_DELIVER)
_HEADERS_ONLY = b"\x20\x00"  # the property flag of the header table
_NAME = "raw"
_AROUND = struct.Struct(">I4scI")  # the table's size, its one name, the type and size of its value
_AROUND_VALUE = 4 + 1 + 4  # of these bytes, those that the table's size counts


class GuardedConnection(Connection):
    """An aio-pika connection that reads through a guard, and remembers the broker's goodbye."""

    is_fast = True
    """Whether its channels have lanes past the library."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._factory = _GuardedTransport(self._guard)
        self.kwargs["transport_factory"] = self._factory

    def _guard(self, kind: int, payload: bytes) -> bytes:
        """See `Guard`."""
        raise NotImplementedError

    async def connect(self, timeout: TimeoutType = None) -> None:
        """See aio-pika. From here on frames have the size that was agreed."""
        await super().connect(timeout)
        if self.transport is not None and self._factory.stream is not None:
            tune = self.transport.connection.connection_tune
            self._factory.stream.largest = tune.frame_max

    @property
    def stream(self) -> Stream:
        """What comes from the broker; only once it is connected."""
        assert self._factory.stream is not None
        return self._factory.stream

    def abort(self) -> None:
        """Drops the socket, without a goodbye."""
        stream = self._factory.stream
        if stream is not None and stream.transport is not None:
            stream.transport.abort()

    @property
    def heartbeat(self) -> float:
        """Seconds, as its URL says; 0 is none."""
        return float(self.url.query.get("heartbeat", 0))

    @property
    def chunks(self) -> int:
        """How often something has come from the other end."""
        return self._factory.stream.chunks if self._factory.stream else 0

    @property
    def has_answered(self) -> bool:
        """Whether there is a broker at the other end."""
        return self._factory.stream is not None and self._factory.stream.has_answered

    @property
    def farewell(self) -> str | None:
        """What the broker said when it closed the connection, or what was wrong with its bytes;
        None if it said nothing.
        """
        return self._factory.stream.farewell if self._factory.stream else None


class ConsumingConnection(GuardedConnection):
    """Its content headers come wrapped; see `unwrapped`."""

    def _guard(self, kind: int, payload: bytes) -> bytes:
        if kind == HEADER:
            return _wrapped(payload)
        if kind == METHOD and payload.startswith(_BASIC_DELIVER):
            return _with_readable_key(payload)
        return payload


class PublishingConnection(GuardedConnection):
    """Its returned messages bring nothing back but their id."""

    def _guard(self, kind: int, payload: bytes) -> bytes:
        return _with_only_the_id(payload) if kind == HEADER else payload


def unwrapped(properties: Basic.Properties) -> bytes:
    """The property list as it came."""
    headers: Any = properties.headers
    return bytes(headers[_NAME])


class _GuardedTransport(TransportFactory):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.stream: Stream | None = None

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The socket as the library would open it, with a `Stream` for a protocol."""
        loop = asyncio.get_running_loop()
        provider = kwargs.pop("ssl_context_provider", None)
        context = await provider.get_context() if url.scheme == "amqps" else None
        stream = self.stream = Stream(self._guard, loop)
        try:
            transport, _ = await loop.create_connection(
                lambda: stream, url.host or "", url.port or 0, ssl=context, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        writer = asyncio.StreamWriter(transport, stream, stream.reader, loop)
        return stream.reader, writer


def _wrapped(payload: bytes) -> bytes:
    raw = payload[CONTENT.size :]
    name = bytes((len(_NAME),)) + _NAME.encode()
    around = _AROUND.pack(len(raw) + _AROUND_VALUE, name, b"x", len(raw))
    return payload[: CONTENT.size] + _HEADERS_ONLY + around + raw


def _with_only_the_id(payload: bytes) -> bytes:
    """The content header of a return: copies of hostile messages come back here too, but their
    ids are ours or readable.
    """
    try:
        returned = decode_properties(payload[CONTENT.size :], b"")
        kept = encode_properties(Envelope(b"", message_id=returned.message_id))
    except UnreadableError:
        kept = encode_properties(Envelope(b""))
    return payload[: CONTENT.size] + kept


def _with_readable_key(payload: bytes) -> bytes:
    r"""The delivery with its routing key in UTF-8; bytes that are none are written as \xNN."""
    at = 4 + 1 + payload[4] + 8 + 1  # after the consumer tag, the delivery tag and the bit
    at += 1 + payload[at]  # after the exchange, whose name had to be UTF-8 to be declared by us
    key = payload[at + 1 :]
    try:
        key.decode()
    except UnicodeDecodeError:
        key = key.decode("utf-8", "backslashreplace").encode()[:255]
        key = key.decode("utf-8", "ignore").encode()  # the cut may have halved a character
        return payload[:at] + bytes((len(key),)) + key
    return payload
