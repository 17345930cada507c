"""What a broker sends, frame by frame, as bytes; and a connection's end to send it to.

Receives values made up by tests, hands frames in the layout of AMQP 0-9-1, written here a second
time so that a mistake in the reader is not made in its tests too.
"""

import asyncio
import struct
from typing import Any

from toolkit.transport.rabbitmq.stream import Guard, Stream


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Any frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(text: bytes) -> bytes:
    """A short string."""
    return bytes((len(text),)) + text


def deliver(channel: int, tag: int, *, again: bool = False, key: bytes = b"k") -> bytes:
    """Basic.Deliver from the exchange `x`."""
    method = struct.pack(">HH", 60, 60) + short(b"a-consumer") + struct.pack(">QB", tag, again)
    return frame(1, channel, method + short(b"x") + short(key))


def returned(channel: int) -> bytes:
    """Basic.Return because of no route."""
    method = struct.pack(">HHH", 60, 50, 312) + short(b"NO_ROUTE") + short(b"x") + short(b"k")
    return frame(1, channel, method)


def header(channel: int, size: int, properties: bytes = b"\0\0") -> bytes:
    """A content header that announces a body of that many bytes."""
    return frame(2, channel, struct.pack(">HHQ", 60, 0, size) + properties)


def with_id(message_id: bytes) -> bytes:
    """Properties that are nothing but an id."""
    return b"\x00\x80" + short(message_id)


def confirm(channel: int, tag: int, *, ack: bool = True, multiple: bool = False) -> bytes:
    """Basic.Ack or Basic.Nack."""
    return frame(1, channel, struct.pack(">HHQB", 60, 80 if ack else 120, tag, multiple))


def closed(channel: int, text: bytes) -> bytes:
    """Channel.Close."""
    return frame(1, channel, struct.pack(">HHH", 20, 40, 404) + short(text) + bytes(4))


class Socket(asyncio.Transport):
    """A transport that keeps what is written, and can be aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_aborted = False
        self.is_paused = False

    def write(self, data: Any) -> None:
        """See `asyncio.Transport`."""
        self.written += data

    def abort(self) -> None:
        """See `asyncio.Transport`."""
        self.is_aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.Transport`."""

    def pause_reading(self) -> None:
        """See `asyncio.Transport`."""
        self.is_paused = True

    def resume_reading(self) -> None:
        """See `asyncio.Transport`."""
        self.is_paused = False


def connected(guard: Guard = lambda _, payload: payload) -> tuple[Stream, Socket]:
    """A stream on such a socket; inside a running loop."""
    stream, socket = Stream(guard, asyncio.get_running_loop()), Socket()
    stream.connection_made(socket)
    return stream, socket
