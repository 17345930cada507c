"""No frame of a stranger brings the library's reader down, and none is changed on its way to us."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiormq.connection import FrameReceiver
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.header import ContentHeader
from yarl import URL

from toolkit.transport.condition import ConnectionState
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.guard import (
    ConsumingConnection,
    GuardedConnection,
    PublishingConnection,
    unwrapped,
)
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.translate import envelope_from

CHANNEL = 1


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, CHANNEL, len(payload)) + payload + b"\xce"


def short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def deliver(routing_key: bytes) -> bytes:
    method = struct.pack(">HH", 60, 60) + short(b"tag") + struct.pack(">QB", 7, 0)
    return frame(1, method + short(b"events") + short(routing_key))


def header(properties: bytes) -> bytes:
    return frame(2, struct.pack(">HHQ", 60, 0, 2) + properties)


@asynccontextmanager
async def reading(
    sent: bytes, kind: type[GuardedConnection] = ConsumingConnection
) -> AsyncIterator[tuple[GuardedConnection, FrameReceiver]]:
    """A connection of this kind, and the library's reader of what a server sends on it."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = URL(f"amqp://127.0.0.1:{port}/")
        connection = kind(url)
        reader, writer = await connection.kwargs["transport_factory"].create(url)
        try:
            yield connection, FrameReceiver(reader)
        finally:
            writer.close()
            await writer.wait_closed()


async def frames(sent: bytes, count: int, kind: type[GuardedConnection]) -> list[Any]:
    async with reading(sent, kind) as (_, receiver):
        return [(await receiver.get_frame())[2] for _ in range(count)]


HOSTILE = {
    "no date": b"\x00\x40" + struct.pack(">Q", 2**60),
    "an id that is not UTF-8": b"\x04\x00" + short(b"caf\xe9"),
    "a header's name that is not": b"\x20\x00\x00\x00\x00\x06" + short(b"caf\xe9") + b"V",
    "a header of an unknown type": b"\x20\x00\x00\x00\x00\x03" + short(b"h") + b"?",
    "half a property": b"\x04\x00\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("properties", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_properties_reach_us_byte_for_byte(properties: bytes) -> None:
    """The library sees one byte string; what follows is read as ever."""
    sent = header(properties) + frame(3, b"ab") + header(b"\x00\x00")
    first, body, second = await frames(sent, 3, ConsumingConnection)
    assert isinstance(first, ContentHeader)
    assert unwrapped(first.properties) == properties
    assert body.value == b"ab"
    assert unwrapped(second.properties) == b"\x00\x00"


@pytest.mark.parametrize("properties", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_properties_make_an_envelope(properties: bytes) -> None:
    """Which is read, or says why it could not be and keeps the bytes."""
    (first,) = await frames(header(properties), 1, ConsumingConnection)
    envelope = envelope_from(unwrapped(first.properties), b"ab")
    assert envelope.body == b"ab"
    if envelope.unreadable:
        assert envelope.headers == {"original-properties": bytearray(properties)}


@pytest.mark.parametrize("properties", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_copy_that_is_returned_can_be_read(properties: bytes) -> None:
    """On the publishing connection nothing comes back but an id that is text."""
    (first,) = await frames(header(properties), 1, PublishingConnection)
    assert isinstance(first, ContentHeader)
    assert first.properties.headers is None


async def test_a_returned_message_is_known_by_its_id() -> None:
    """That is what matches a return to its publish."""
    (first,) = await frames(header(b"\x00\x80" + short(b"m-1")), 1, PublishingConnection)
    assert first.properties.message_id == "m-1"


@given(st.binary(max_size=255) | st.text(max_size=63).map(str.encode))
def test_any_routing_key_can_be_read(key: bytes) -> None:
    """One that is UTF-8 unchanged, any other with its bytes written out."""
    (method,) = asyncio.run(frames(deliver(key), 1, ConsumingConnection))
    assert isinstance(method, commands.Basic.Deliver)
    assert (method.delivery_tag, method.exchange) == (7, "events")
    try:
        assert method.routing_key == key.decode()
    except UnicodeDecodeError:
        assert method.routing_key


async def test_a_long_routing_key_is_not_cut_in_the_middle_of_a_character() -> None:
    """Written out it would have more than 255 bytes."""
    key = b"\xff" * 40 + ("é" * 80).encode()
    (method,) = await frames(deliver(key), 1, ConsumingConnection)
    assert method.routing_key.startswith("\\xff" * 40 + "é")


async def test_a_connection_that_is_blocked_already_is_known_to_be() -> None:
    """The broker said so while the topology was made sure of, before anybody publishes."""
    blocked = struct.pack(">HH", 10, 60) + short(b"low on memory")
    async with reading(frame(1, blocked), PublishingConnection) as (connection, receiver):
        await receiver.get_frame()
        link = Link(RabbitOptions(urls=("amqp://127.0.0.1/",), service="shop"), "publish")
        link._take(connection)
        assert link.condition.state is ConnectionState.BLOCKED
        assert not link.is_usable


async def test_what_a_broker_says_when_it_closes_is_remembered() -> None:
    """The library forgets it where it was in the middle of something."""
    text = b"NOT_ALLOWED - vhost shop not found"
    close = struct.pack(">HHH", 10, 50, 530) + short(text) + struct.pack(">HH", 0, 0)
    async with reading(frame(1, close)) as (connection, receiver):
        assert connection.farewell is None
        await receiver.get_frame()
        assert connection.farewell == text.decode()
