"""The link between services and one broker: a TCP proxy that does what networks do.

Receives connections of the services, hands their bytes to the broker and back, until a fault cuts,
freezes or slows them.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65_536
_HEARTBEAT = bytes((8, 0, 0, 0, 0, 0, 0, 0xCE))  # AMQP 0-9-1, section 4.2.7
_FRAME_END = 3  # bytes that are kept back to cut a frame in its middle


class Strand:
    """One connection of a service, and the other half of it."""

    def __init__(self, here: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        self._writers = (here, there)
        self.is_frozen = False
        self.is_doomed = False
        self.was_left = asyncio.Event()
        self.heartbeats = 0
        self.left_at = 0.0

    def cut(self) -> None:
        """Neither side gets a goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    def leave(self) -> None:
        """The service has given it up."""
        self.left_at = time.monotonic()
        self.was_left.set()


class Link:
    """All connections to one broker. `url` is where the services connect."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._strands: set[Strand] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        self.is_refusing = False
        self.refused = 0
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        """Listen in front of this broker for as long as the context lasts."""
        link = cls(url)
        server = await asyncio.start_server(link._accept, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        account = link._parts.netloc.rpartition("@")[0]
        link.url = urlunsplit(link._parts._replace(netloc=f"{account}@127.0.0.1:{port}"))
        try:
            yield link
        finally:
            server.close()
            link.cut()
            for task in link._tasks:
                task.cancel()
            await asyncio.gather(*link._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Drop every connection."""
        for strand in self._strands:
            strand.cut()

    def cut_mid_frame(self) -> list[Strand]:
        """Drop what is open now as soon as something passes, before all of it has."""
        strands = self.strands
        for strand in strands:
            strand.is_doomed = True
        return strands

    @property
    def strands(self) -> list[Strand]:
        """The connections that services have open."""
        return [strand for strand in self._strands if not strand.was_left.is_set()]

    def freeze(self) -> list[Strand]:
        """Whatever is open now falls silent, and is not closed; what comes later is fine."""
        strands = self.strands
        for strand in strands:
            strand.is_frozen = True
        return strands

    def refuse(self) -> None:
        """Drop every connection, and every further one before the broker hears of it."""
        self.is_refusing = True
        self.cut()

    def accept(self) -> None:
        """Take connections again."""
        self.is_refusing = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.is_refusing:
                raise ConnectionRefusedError
            there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            self.refused += 1
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        strand = Strand(writer, there[1])
        self._strands.add(strand)
        try:
            await self._join(strand, reader, writer, *there)
        finally:
            self._strands.discard(strand)
            strand.cut()

    async def _join(
        self,
        strand: Strand,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        async def up() -> None:
            await self._pass(strand, reader, far_writer)
            strand.leave()
            if not strand.is_frozen:  # else the broker has to find out by itself
                strand.cut()

        async def down() -> None:
            await self._pass(strand, far_reader, writer)
            if not strand.is_frozen:
                strand.cut()

        await asyncio.gather(up(), down())

    async def _pass(
        self, strand: Strand, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                strand.heartbeats += data == _HEARTBEAT
                if strand.is_frozen:
                    continue  # swallowed
                if self.delay:
                    await asyncio.sleep(self.delay)
                if strand.is_doomed:
                    target.write(data[:-_FRAME_END])
                    await target.drain()
                    target.close()
                    return
                target.write(data)
                await target.drain()
