"""A virtual host, and services of two releases in it.

Receives what the fixtures found, hands tests services that differ in their queues' arguments, and
what lies in these.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.hostile.management import VirtualHost
from tests.hostile.wire import Raw, Wire
from tests.shop import Behaviour, Handle, Placed, ShopEvents, shop, succeed
from toolkit import QueueOptions, Retry, Service, Settings
from toolkit.testing.broker import Broker

QUEUE = "shop.handle"
ASIDE = "shop.handle.migrating"
OLD = QueueOptions(type="classic")
NEW = QueueOptions(ttl="1h", max_length=50_000)


def release(url: str, queue: QueueOptions, behaviour: Behaviour = succeed) -> Service:
    """The shop, as one release of it declares its queue."""
    retry = Retry(immediately=0, after=("1s",))
    return shop(url, Handle(behaviour, queue=queue, retry=retry))


@dataclass(frozen=True)
class Place:
    """Where it is, and how an administrator sees it."""

    url: str
    management_url: str
    virtual_host: VirtualHost
    broker: Broker = field(repr=False)

    def release(self, queue: QueueOptions, behaviour: Behaviour = succeed) -> Service:
        """See `release`."""
        return release(self.url, queue, behaviour)

    def till(self) -> Service:
        """Another service, which only publishes."""
        return Service("till", producers=[ShopEvents], settings=Settings(amqp_url=self.url))

    async def publish(self, numbers: Iterable[int]) -> None:
        """An order for each number, confirmed."""
        async with self.till() as till:
            await ShopEvents(till).placed.many(Placed(number=number) for number in numbers)

    def taken(self, queue: str) -> list[Raw]:
        """All messages of a queue, which is empty then."""
        with Wire.connected(self.url) as wire:
            found = []
            while (message := wire.get(queue)) is not None:
                found.append(message)
            return found
