"""A link that is told to end, ends: also in the middle of a handshake that comes to nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.options import RabbitOptions

TURNS = 60  # of the loop: connecting, being turned away and closing take about forty
IN_TIME = 5  # seconds, of which none is needed


@asynccontextmanager
async def turning_away(last_words: bytes) -> AsyncIterator[str]:
    """The address of a server that closes every connection."""

    async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(last_words)
        writer.close()

    async with await asyncio.start_server(turn_away, "127.0.0.1", 0) as server:
        yield f"amqp://guest:guest@127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("last_words", [b"", b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400\r\n\r\n"])
async def test_cancelling_ends_it_at_any_moment(last_words: bytes) -> None:
    """What is cancelled in one turn of the loop is over soon, whichever turn that is; the library
    keeps a cancellation to itself while it closes.
    """
    async with turning_away(last_words) as url:
        for turns in range(1, TURNS):
            link = Link(RabbitOptions(urls=(url,), service="shop"), "publish")
            opening = asyncio.create_task(link.open())
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            _, unended = await asyncio.wait({opening}, timeout=IN_TIME)
            assert not unended, f"cancelled in turn {turns}, and it goes on"
            assert opening.cancelled()
