"""Where a siege takes place: a virtual host of a broker of ours, behind links that can fail.

Receives brokers that the bench has started, hands faults what they need to do harm, and the
auditor what lies in the queues at the end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

import aio_pika
import httpx

from tests.faults.link import Link
from tests.faults.programs.contracts import Noted, Placed
from toolkit.testing.broker import Broker
from toolkit.testing.broker.found import url_of_virtual_host
from toolkit.testing.broker.greeting import greet

TAKE, NOTE = "taker.take", "taker.note"
QUEUES = (TAKE, NOTE, "taker.suspects", "taker.delay.1s", "taker.parked")
DEAD = (f"{TAKE}.dead", f"{NOTE}.dead")

_HOST = "siege"
_CRITICAL = "/api/health/checks/node-is-quorum-critical"
_ASK = 0.02
_BACK = 60.0


class Ground:
    """One broker, or the nodes of a cluster, and all that a fault may do to them."""

    def __init__(self, version: str, brokers: Sequence[Broker], links: Sequence[Link]) -> None:
        self.version = version
        self.brokers = tuple(brokers)
        self.links = tuple(links)

    @classmethod
    @asynccontextmanager
    async def on(cls, version: str, *brokers: Broker) -> AsyncIterator[Self]:
        """A virtual host there that is gone at the end, and a link to each node."""
        async with AsyncExitStack() as stack:
            with brokers[0].virtual_host(_HOST):
                links = [
                    await stack.enter_async_context(Link.to(url_of_virtual_host(broker.url, _HOST)))
                    for broker in brokers
                ]
                yield cls(version, brokers, links)

    @property
    def url(self) -> str:
        """Where services connect: the links, not the brokers themselves."""
        return ",".join(link.url for link in self.links)

    @property
    def broker(self) -> Broker:
        """The only node, or the first."""
        return self.brokers[0]

    async def start(self, broker: Broker) -> float:
        """Bring a node back; the moment from which it has taken connections."""
        starting = asyncio.create_task(asyncio.to_thread(broker.start))
        try:
            return await accepting(broker)
        finally:
            await starting

    async def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on the first node, and return what it prints."""
        return await asyncio.to_thread(self.broker.ctl, *arguments)

    async def close_connections(self) -> None:
        """Close every connection from the broker's side, as an administrator can."""
        user = unquote(urlsplit(self.broker.url).username or "")
        await self.ask("DELETE", f"/api/connections/username/{user}")

    async def delete_queue(self, name: str) -> None:
        """Remove a queue with all that is in it."""
        await self.ask("DELETE", f"/api/queues/{_HOST}/{quote(name, safe='')}")

    async def has_queue(self, name: str) -> bool:
        """Whether there is such a queue at present."""
        return (await self._asked("GET", f"/api/queues/{_HOST}/{name}")).status_code == 200

    async def leader(self, queue: str) -> Broker:
        """The node that leads a queue."""
        told = await self.ask("GET", f"/api/queues/{_HOST}/{queue}")
        port = str(told["leader"]).partition("@")[0].rpartition("-")[2]
        return next(broker for broker in self.brokers if urlsplit(broker.url).port == int(port))

    async def channels(self) -> int:
        """How many channels are open here, now: the management API tells it seconds later."""
        told = await self.ctl("list_channels", "--quiet", "--no-table-headers", "vhost")
        return sum(line.strip() == _HOST for line in told.splitlines())

    async def ask(self, method: str, path: str) -> Any:
        """One request to the management API of the first node."""
        answer = await self._asked(method, path)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def whole(self) -> None:
        """Returns once any node may die without taking a queue along. Raises TimeoutError."""
        async with asyncio.timeout(_BACK):
            for broker in self.brokers:
                while not (await self._asked("GET", _CRITICAL, broker)).is_success:
                    await asyncio.sleep(_ASK)

    async def _asked(self, method: str, path: str, broker: Broker | None = None) -> httpx.Response:
        broker = broker or self.broker
        account = urlsplit(broker.url)
        credentials = (unquote(account.username or ""), unquote(account.password or ""))
        async with httpx.AsyncClient(
            base_url=broker.management_url, auth=credentials, timeout=15
        ) as client:
            return await client.request(method, path)

    async def ready(self, queue: str) -> int:
        """How many messages a queue has to give."""
        async with await aio_pika.connect(url_of_virtual_host(self.broker.url, _HOST)) as there:
            channel = await there.channel()
            found = await channel.declare_queue(queue, passive=True)
            return found.declaration_result.message_count or 0

    async def take_all(self, queues: Sequence[str]) -> list[str]:
        """The messages that lie in these queues, taken out of them."""
        found: list[str] = []
        async with await aio_pika.connect(url_of_virtual_host(self.broker.url, _HOST)) as there:
            for name in queues:
                channel = await there.channel()
                with suppress(aio_pika.exceptions.ChannelClosed):
                    queue = await channel.get_queue(name)
                    while (message := await queue.get(fail=False)) is not None:
                        await message.ack()
                        contract = Noted if message.type == "bench.noted" else Placed
                        found.append(contract.model_validate_json(message.body).number)
        return found


async def accepting(broker: Broker, *, within: float = _BACK) -> float:
    """Wait until a broker takes connections, and return when it did. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            try:
                await asyncio.to_thread(greet, broker.url, timeout=1.0)
            except OSError:
                await asyncio.sleep(_ASK)
            else:
                return time.monotonic()
