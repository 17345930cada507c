"""A client that says anything at all, in any order.

Receives methods and bytes from tests, hands them what the broker answers, frame by frame.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from pamqp import frame as library
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection
from pamqp.header import ContentHeader, ProtocolHeader

PROTOCOL = ProtocolHeader().marshal()
_CAPABILITIES: Any = {"capabilities": {"consumer_cancel_notify": True}}


def logging_in(
    *, password: str = "guest", virtual_host: str = "/", heartbeat: int = 0, frame_max: int = 131072
) -> list[Any]:
    """What a client says from the protocol's name until it is in."""
    return [
        Connection.StartOk(
            client_properties=_CAPABILITIES, mechanism="PLAIN", response=f"\0guest\0{password}"
        ),
        Connection.TuneOk(2047, frame_max, heartbeat),
        Connection.Open(virtual_host),
    ]


def publishing(body: bytes, *, exchange: str = "", routing_key: str = "q", **bits: bool) -> bytes:
    """The frames of a message on channel 1; the body in one."""
    header = ContentHeader(0, len(body), Basic.Properties())
    frames: list[library.FrameTypes] = [
        Basic.Publish(exchange=exchange, routing_key=routing_key, **bits),
        header,
    ]
    if body:
        frames.append(ContentBody(body))
    return b"".join(library.marshal(frame, 1) for frame in frames)


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)

    def say(self, method: Frame, channel: int = 1) -> None:
        """A method."""
        self.send(library.marshal(method, channel))

    async def come_in(self, **how: Any) -> None:
        """The handshake, and channel 1."""
        self.send(PROTOCOL)
        for method in logging_in(**how):
            self.say(method, 0)
        self.say(Channel.Open())
        await self.answer(Channel.OpenOk)

    async def frame(self) -> tuple[int, int, bytes]:
        """The next frame: kind, channel and payload."""
        kind, channel, size = struct.unpack(">BHI", await self.reader.readexactly(7))
        return kind, channel, (await self.reader.readexactly(size + 1))[:-1]

    async def answer(self, *expected: type[Frame]) -> Any:
        """The next method of one of these; whatever comes before is passed over."""
        while True:
            kind, channel, payload = await self.frame()
            if kind != 1:
                continue
            data = struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"
            method = library.unmarshal(data)[2]
            if isinstance(method, expected):
                return method

    async def end(self) -> bytes:
        """All that comes until the connection is over."""
        return await self.reader.read()


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Raw]:
    """A connection on which nothing has been said."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
