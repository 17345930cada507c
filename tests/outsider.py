"""A broker seen from outside: plain aio-pika, none of the toolkit.

Receives a URL, hands tests what lies in queues and puts messages into them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

_GLANCE = 0.02


async def eventually(
    is_true: Callable[[], bool | Awaitable[bool]], within: float = 10.0, what: str = ""
) -> None:
    """Waits for a condition that something else brings about; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = is_true()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within:g}s: {what or is_true}")
        await asyncio.sleep(_GLANCE)


@dataclass(frozen=True)
class Taken:
    """A message as it was found."""

    body: bytes
    message_id: str | None
    correlation_id: str | None
    type: str | None
    reply_to: str | None
    app_id: str | None
    priority: int | None
    headers: dict[str, Any]

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "Taken":
        """All that a test may ask for."""
        return cls(
            message.body,
            message.message_id,
            message.correlation_id,
            message.type,
            message.reply_to,
            message.app_id,
            message.priority,
            dict(message.headers),
        )


class Outsider:
    """Looks into queues and publishes, as any other client of the broker would."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self._connection = connection
        self.channel = channel

    async def publish(
        self, body: bytes, *, exchange: str = "", routing_key: str = "", **properties: Any
    ) -> None:
        """One raw message, confirmed; raises if no queue takes it."""
        message = aio_pika.Message(body, **properties)
        target = await self.channel.get_exchange(exchange, ensure=False)
        await target.publish(message, routing_key)

    async def count(self, queue: str) -> int:
        """How many messages are ready in a queue."""
        async with self._connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

    async def take(self, queue: str, within: float = 10.0) -> "Taken":
        """The next message of a queue, taken out of it."""
        reader = await self.channel.get_queue(queue)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            message = await reader.get(fail=False)
            if message is not None:
                await message.ack()
                return Taken.of(message)
            await asyncio.sleep(_GLANCE)
        raise AssertionError(f"nothing came into '{queue}' within {within:g}s")

    async def settled(self, queue: str, *, ready: int = 0, within: float = 10.0) -> None:
        """Waits until a queue holds that many ready messages."""

        async def holds() -> bool:
            return await self.count(queue) == ready

        await eventually(holds, within, f"{ready} messages in '{queue}'")

    async def exchange_exists(self, name: str) -> bool:
        """Whether the broker has an exchange."""
        try:
            async with self._connection.channel() as channel:
                await channel.get_exchange(name)
        except aio_pika.exceptions.ChannelClosed:
            return False
        return True


@asynccontextmanager
async def outside(url: str) -> AsyncIterator[Outsider]:
    """An outsider with a connection of its own."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        yield Outsider(connection, channel)
