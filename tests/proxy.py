"""A lying network: a TCP proxy between a service and its broker.

Receives connections of the service, hands their bytes to the broker and back, until it is told
to hold the answers of one of them or to cut them all. A connection is known by the name that the
toolkit gives it, which ends in "publish" or "consume".
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

_CHUNK = 65_536


class Proxy:
    """Forwards to one broker. `url` is where the service should connect."""

    def __init__(self, target: URL) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._pairs: list[_Pair] = []
        self.url = ""
        self.is_refusing = False

    async def open(self) -> None:
        """Begins to listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = str(self._target.with_host("127.0.0.1").with_port(port))

    async def close(self) -> None:
        """Cuts everything and stops listening."""
        self.cut()
        if self._server is not None:
            self._server.close()

    def hold_answers(self, purpose: str) -> None:
        """From now on the broker's answers on connections of this purpose don't arrive."""
        for pair in self._pairs:
            if pair.is_for(purpose):
                pair.may_answer.clear()

    def let_answers_through(self) -> None:
        """What was held arrives."""
        for pair in self._pairs:
            pair.may_answer.set()

    def cut(self, purpose: str = "") -> None:
        """Closes connections without a goodbye: all, or those of one purpose."""
        for pair in self._pairs:
            if not purpose or pair.is_for(purpose):
                pair.close()
        self._pairs = [pair for pair in self._pairs if not pair.is_closed]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.close()
            return
        there = await asyncio.open_connection(self._target.host, self._target.port)
        pair = _Pair(writer, there[1])
        self._pairs.append(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pair.forward(reader))
                group.create_task(pair.answer(there[0]))
        except* OSError:
            pass  # cut, as it was told to


class _Pair:
    """One connection of the service and its other half."""

    def __init__(self, here: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        self._here = here
        self._there = there
        self._first_bytes = b""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_closed = False

    def is_for(self, purpose: str) -> bool:
        return f" {purpose}".encode() in self._first_bytes

    async def forward(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            if len(self._first_bytes) < 2_000:
                self._first_bytes += data
            self._there.write(data)
            await self._there.drain()
        self._there.close()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            await self.may_answer.wait()
            self._here.write(data)
            await self._here.drain()
        self._here.close()

    def close(self) -> None:
        self.is_closed = True
        self.may_answer.set()
        for writer in (self._here, self._there):
            writer.transport.abort()


@asynccontextmanager
async def lying_network(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the broker at `url`."""
    proxy = Proxy(URL(url))
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
