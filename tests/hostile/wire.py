"""A broker as seen by a program that speaks AMQP 0-9-1 by hand, over a socket.

Receives raw properties from tests, hands back raw messages. It has nothing in common with the
client library that the toolkit stands on, so it shares none of its faults either.
"""

import socket
import ssl
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Self
from urllib.parse import unquote, urlsplit

from tests.hostile.fields import headers_of, joined, long, short, taken_apart

_METHOD, _HEADER, _BODY = 1, 2, 3
_END = b"\xce"
_FRAME = 131_072
_TIMEOUT = 20

_START = (10, 10)
_TUNE = (10, 30)
_OPEN_OK = (10, 41)
_CHANNEL_OPEN_OK = (20, 11)
_CLOSES = {(10, 50), (20, 40)}
_DECLARE_OK = (50, 11)
_SELECT_OK = (85, 11)
_ACK, _NACK = (60, 80), (60, 120)
_GET_OK, _GET_EMPTY = (60, 71), (60, 72)


class RefusedByBrokerError(Exception):
    """The broker closed the channel or the connection over what was said."""


@dataclass(frozen=True)
class Raw:
    """A message as it was on the wire."""

    exchange: str
    routing_key: bytes
    properties: dict[str, bytes]
    body: bytes

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Each header as its type's letter and its bytes."""
        return headers_of(self.properties)

    def text(self, header: str) -> str | None:
        """A header that is text."""
        value = self.headers.get(header.encode())
        return None if value is None else value[5:].decode()


class Wire:
    """One connection with one channel, on which every publish is confirmed."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._socket = connection
        self._stream = stream

    @classmethod
    @contextmanager
    def connected(cls, url: str) -> Iterator[Self]:
        """Log in, and open a channel."""
        parts = urlsplit(url)
        address = (parts.hostname or "localhost", parts.port or 5672)
        with (
            socket.create_connection(address, _TIMEOUT) as plain,
            _secured(plain, parts.hostname) if parts.scheme == "amqps" else plain as connection,
            connection.makefile("rb") as stream,
        ):
            wire = cls(connection, stream)
            wire._log_in(
                user=unquote(parts.username or "guest"),
                password=unquote(parts.password or "guest"),
                virtual_host=unquote(parts.path[1:] or "/"),
            )
            yield wire

    def publish(
        self,
        exchange: str,
        routing_key: bytes,
        properties: Mapping[str, bytes],
        body: bytes,
        *,
        fragments: Sequence[bytes] | None = None,
    ) -> None:
        """Publish anything at all, and wait for the confirmation.

        Raises RefusedByBrokerError if the broker won't have it.
        """
        method = struct.pack(">H", 0) + short(exchange.encode()) + short(routing_key) + b"\0"
        header = struct.pack(">HHQ", 60, 0, len(body)) + joined(properties)
        frames = [self._framed(_METHOD, _method(60, 40, method)), self._framed(_HEADER, header)]
        pieces = fragments if fragments is not None else _pieces(body)
        frames += [self._framed(_BODY, piece) for piece in pieces]
        self._socket.sendall(b"".join(frames))
        if self._answer(_ACK, _NACK)[0] == _NACK:
            raise RefusedByBrokerError("nack")

    def get(self, queue: str) -> Raw | None:
        """The next message, gone from the queue; None if there is none."""
        self._say(60, 70, struct.pack(">H", 0) + short(queue.encode()) + b"\1")
        which, arguments = self._answer(_GET_OK, _GET_EMPTY)
        if which == _GET_EMPTY:
            return None
        exchange, rest = _short_from(arguments[9:])
        routing_key, _ = _short_from(rest)
        _, header = self._frame()
        (size,) = struct.unpack_from(">Q", header, 4)
        body = b""
        while len(body) < size:
            body += self._frame()[1]
        return Raw(exchange.decode(), routing_key, taken_apart(header[12:]), body)

    def count(self, queue: str) -> int:
        """How many messages are ready there."""
        return self._look_at(queue)[0]

    def consumers(self, queue: str) -> int:
        """How many consumers are registered there."""
        return self._look_at(queue)[1]

    def _look_at(self, queue: str) -> tuple[int, int]:
        self._say(50, 10, struct.pack(">H", 0) + short(queue.encode()) + b"\1" + bytes(4))
        _, arguments = self._answer(_DECLARE_OK)
        _, counts = _short_from(arguments)
        ready, consumers = struct.unpack(">II", counts)
        return ready, consumers

    def _log_in(self, *, user: str, password: str, virtual_host: str) -> None:
        self._socket.sendall(b"AMQP\0\0\x09\x01")
        self._answer(_START)
        response = long(f"\0{user}\0{password}".encode())[1:]
        start_ok = struct.pack(">I", 0) + short(b"PLAIN") + response + short(b"en_US")
        self._say(10, 11, start_ok, channel=0)
        self._answer(_TUNE)
        self._say(10, 31, struct.pack(">HIH", 10, _FRAME, 0), channel=0)
        self._say(10, 40, short(virtual_host.encode()) + b"\0\0", channel=0)
        self._answer(_OPEN_OK)
        self._say(20, 10, b"\0")
        self._answer(_CHANNEL_OPEN_OK)
        self._say(85, 10, b"\0")
        self._answer(_SELECT_OK)

    def _say(self, class_id: int, method_id: int, arguments: bytes, *, channel: int = 1) -> None:
        frame = self._framed(_METHOD, _method(class_id, method_id, arguments), channel=channel)
        self._socket.sendall(frame)

    def _answer(self, *expected: tuple[int, int]) -> tuple[tuple[int, int], bytes]:
        while True:
            kind, payload = self._frame()
            if kind != _METHOD:
                continue
            which = struct.unpack_from(">HH", payload)
            if which in _CLOSES:
                raise RefusedByBrokerError(_short_from(payload[6:])[0].decode())
            if which in expected:
                return which, payload[4:]

    def _frame(self) -> tuple[int, bytes]:
        kind, _, size = struct.unpack(">BHI", self._stream.read(7))
        return kind, self._stream.read(size + 1)[:-1]

    def _framed(self, kind: int, payload: bytes, *, channel: int = 1) -> bytes:
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END


def _secured(plain: socket.socket, host: str | None) -> socket.socket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _method(class_id: int, method_id: int, arguments: bytes) -> bytes:
    return struct.pack(">HH", class_id, method_id) + arguments


def _pieces(body: bytes) -> list[bytes]:
    room = _FRAME - 8
    return [body[at : at + room] for at in range(0, len(body), room)]


def _short_from(content: bytes) -> tuple[bytes, bytes]:
    end = 1 + content[0]
    return content[1:end], content[end:]
