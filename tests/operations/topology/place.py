"""A virtual host, and services of two releases in it.

Receives what the fixtures found, hands tests services that differ in their queues' arguments, and
what lies in these.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile.management import VirtualHost
from tests.hostile.wire import Raw, Wire
from tests.shop import Behaviour, Handle, Placed, ShopEvents, shop, succeed
from toolkit import QueueOptions, Retry, Service, Settings
from toolkit.project import load
from toolkit.testing.broker import Broker

_FILE = "/tmp/topology-definitions.json"
QUEUE = "shop.handle"
ASIDE = "shop.handle.migrating"
OLD = QueueOptions(type="classic")
NEW = QueueOptions(ttl="1h", max_length=50_000)


def release(
    url: str, queue: QueueOptions, behaviour: Behaviour = succeed, **options: Any
) -> Service:
    """The shop, as one release of it declares its queue."""
    retry = Retry(immediately=0, after=("1s",))
    return shop(url, Handle(behaviour, queue=queue, retry=retry, **options))


@dataclass(frozen=True)
class Place:
    """Where it is, and how an administrator sees it."""

    url: str
    management_url: str
    virtual_host: VirtualHost
    broker: Broker = field(repr=False)

    def release(
        self, queue: QueueOptions, behaviour: Behaviour = succeed, **options: Any
    ) -> Service:
        """See `release`."""
        return release(self.url, queue, behaviour, **options)

    def till(self) -> Service:
        """Another service, which only publishes."""
        return Service("till", producers=[ShopEvents], settings=Settings(amqp_url=self.url))

    async def publish(self, numbers: Iterable[int]) -> None:
        """An order for each number, confirmed."""
        async with self.till() as till:
            await ShopEvents(till).placed.many(Placed(number=number) for number in numbers)

    def put(self, queue: str, body: bytes) -> None:
        """One message."""
        with Wire.connected(self.url) as wire:
            wire.publish("", queue.encode(), {}, body)

    @property
    def version(self) -> str:
        """The broker's, as `3.10`."""
        match = re.search(r"(\d+\.\d+)\.", self.broker.description)
        assert match is not None
        return match[1]

    def import_definitions(self, definitions: dict[str, Any]) -> None:
        """By `rabbitmqctl import_definitions`, from a file that the broker's machine can read; or
        by the API, where the broker isn't ours to command.
        """
        if not self.broker.is_ours:
            self.virtual_host.import_definitions(definitions)
            return
        text = json.dumps(definitions)
        self.broker.ctl("eval", f'ok = file:write_file("{_FILE}", {_erlang(text)}).')
        self.broker.ctl("import_definitions", _FILE)

    def start_and_stop(self, target: str) -> None:
        """A service, in this process. Raises what it can't start over."""

        async def run() -> None:
            async with load(target):
                pass

        asyncio.run(run())

    def taken(self, queue: str) -> list[Raw]:
        """All messages of a queue, which is empty then."""
        with Wire.connected(self.url) as wire:
            found = []
            while (message := wire.get(queue)) is not None:
                found.append(message)
            return found


def _erlang(text: str) -> str:
    """A binary, as Erlang reads it."""
    return f"<<{','.join(map(str, text.encode()))}>>"
