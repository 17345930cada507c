"""Queues full of dead letters, and the command that looks after them.

Receives a broker's URL, hands tests letters as services leave them, a picture of what lies where,
and `toolkit dead` as a process.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.outsider import Outsider, outside

KINDS = 12
NO_LIMIT: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": -1}
"""From 4.0 on; before, -1 would mean something else."""
_COUNTED = ("x-delivery-count", "x-acquired-count")
_AT_ONCE = 500


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class Graveyard:
    """Some queues of consumers, their dead letters, and a second subscriber to the same events."""

    def __init__(self, url: str, client: Outsider, folder: Path) -> None:
        self.url = url
        self.client = client
        self.folder = folder
        self.queues: list[str] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, folder: Path) -> AsyncIterator["Graveyard"]:
        """With a client of its own."""
        async with outside(url) as client:
            yield cls(url, client, folder)

    @property
    def dead(self) -> list[str]:
        """The queues of dead letters."""
        return [f"{queue}.dead" for queue in self.queues]

    async def dig(self, *queues: str) -> None:
        """A consumer's queue and its dead letters, for each, as the toolkit declares them."""
        is_old = await self._is_old()
        for queue in queues:
            arguments: dict[str, Any] = {"x-queue-type": "quorum"}
            await self.client.channel.declare_queue(queue, durable=True, arguments=arguments)
            dead = arguments if is_old else NO_LIMIT
            await self.client.channel.declare_queue(f"{queue}.dead", durable=True, arguments=dead)
            self.queues.append(queue)

    async def _is_old(self) -> bool:
        underlay = await self.client.channel.get_underlay_channel()
        properties: Any = underlay.connection.server_properties
        return int(str(properties["version"]).split(".")[0]) < 4

    async def bury(self, count: int, *, body: bytes | None = None, **more: Any) -> None:
        """Letters of twelve kinds, spread over the queues."""
        for start in range(0, count, _AT_ONCE):
            numbers = range(start, min(count, start + _AT_ONCE))
            await asyncio.gather(*(self._bury(number, body, more) for number in numbers))

    async def _bury(self, number: int, body: bytes | None, more: dict[str, Any]) -> None:
        queue = self.queues[number % len(self.queues)]
        headers = {
            "dead-reason": "failed",
            "error-type": f"shop.errors.Error{number % KINDS}",
            "error-message": f"it broke at {number}",
            "error-stack": "Traceback (most recent call last):\n  ...",
            "error-fingerprint": f"{number % KINDS:016x}",
            "attempts": 5,
            "failed-at": f"2026-11-24T{number // 3600 % 24:02}:{number // 60 % 60:02}:00.000+00:00",
            "failed-queue": queue,
            "failed-consumer": "Charge",
            "failed-service": "billing",
            "original-exchange": "events",
            "original-routing-key": "orders.placed",
        } | more.pop("headers", {})
        await self.client.publish(
            body or json.dumps({"order_id": number, "total": number % 200}).encode(),
            routing_key=f"{queue}.dead",
            headers=headers,
            **{
                "message_id": f"m-{number}",
                "type": "orders.placed",
                "content_type": "application/json",
                "delivery_mode": 2,
                **more,
            },
        )

    async def picture(self, queues: Iterable[str] | None = None) -> dict[str, list[str]]:
        """All that lies in the queues, in order, without what the broker counts. It is given back
        by closing the channel, as it was.
        """
        return {queue: await self._seen(queue) for queue in queues or self.dead}

    async def _seen(self, queue: str) -> list[str]:
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            reader = await channel.declare_queue(queue, passive=True)
            count = reader.declaration_result.message_count or 0
            seen: list[str] = []
            is_all = asyncio.Event()

            async def see(message: AbstractIncomingMessage) -> None:
                kept = {k: v for k, v in message.headers.items() if k not in _COUNTED}
                seen.append(repr((message.message_id, message.body, sorted(kept.items()))))
                if len(seen) >= count:
                    is_all.set()

            if count:
                await reader.consume(see)
                await asyncio.wait_for(is_all.wait(), 20)
            return seen

    async def command(
        self, *words: str, queues: bool = True, variables: Mapping[str, str] | None = None
    ) -> Said:
        """`toolkit dead`, on these queues unless told otherwise, outside of any project."""
        process = await self.begun(*words, queues=queues, variables=variables)
        out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def begun(
        self, *words: str, queues: bool = True, variables: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """The same, still under way."""
        named = [word for queue in self.dead for word in ("--queue", queue)] if queues else []
        root = str(Path(__file__).parents[2])
        environment = {
            **os.environ,
            "TOOLKIT_AMQP_URL": self.url,
            "XDG_STATE_HOME": str(self.folder),
            "PYTHONPATH": root,
            "COLUMNS": "200",
            **(variables or {}),
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "toolkit", "dead", *words, *named),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=self.folder,
        )

    async def taken(self, queue: str, count: int) -> list[str]:
        """The ids of that many messages, taken out of a queue."""
        reader = await self.client.channel.get_queue(queue)
        ids: list[str] = []
        for _ in range(count):
            message = await reader.get(fail=False)
            assert message is not None, f"there are only {len(ids)} in {queue}"
            await message.ack()
            ids.append(message.message_id or "")
        return ids

    @property
    def log(self) -> list[dict[str, Any]]:
        """The audit log."""
        path = self.folder / "toolkit" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
