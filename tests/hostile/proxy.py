"""A way to the broker that can fall silent, or be cut.

Receives bytes from both sides, hands them on; what a network does to them is up to the test.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65_536


class Proxy:
    """A TCP proxy in front of one broker."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._holding = asyncio.Event()
        self._holding.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.silent_after: int | None = None
        self.hold_at: bytes | None = None
        self.reached = asyncio.Event()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def before(cls, url: str) -> AsyncIterator[Self]:
        """Listen in front of this broker; `url` is the way through.

        A connection made while `silent_after` is set gets that many bytes from the broker and
        no more. While `hold_at` is set, what the broker says is held from there on, and
        `reached` tells.
        """
        proxy = cls(url)
        server = await asyncio.start_server(proxy._accept, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        account = proxy._parts.netloc.rpartition("@")[0]
        proxy.url = urlunsplit(proxy._parts._replace(netloc=f"{account}@127.0.0.1:{port}"))
        try:
            yield proxy
        finally:
            server.close()
            proxy.cut()
            proxy.resume()
            await asyncio.gather(*proxy._tasks)

    def hold(self) -> None:
        """Hand nothing on, in neither direction, and close nothing."""
        self._flowing.clear()

    def resume(self) -> None:
        """Hand on again, what was held first."""
        self.hold_at = None
        self._holding.set()
        self._flowing.set()

    def cut(self) -> None:
        """Drop every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def close(self) -> None:
        """Drop every connection, and every further one at once."""
        self._is_closed = True
        self.cut()

    def reopen(self) -> None:
        """Take connections again."""
        self._is_closed = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closed:
            writer.transport.abort()
            return
        there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._writers |= {writer, there[1]}
        for passing in (
            self._pass_up(reader, there[1]),
            self._pass_down(there[0], writer, self.silent_after),
        ):
            task = asyncio.create_task(passing)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_up(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        self._end(target)

    async def _pass_down(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, limit: int | None
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                passed += len(data)
                if limit is not None and passed > limit:
                    continue  # swallowed; the connection stays open
                if self.hold_at is not None and self.hold_at in data:
                    self.reached.set()
                    self._holding.clear()
                await self._holding.wait()
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        self._end(target)

    def _end(self, target: asyncio.StreamWriter) -> None:
        target.transport.abort()
        self._writers.discard(target)
