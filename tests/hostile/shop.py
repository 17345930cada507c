"""The service under attack, and the stranger who attacks it.

Receives hostile messages from tests, hands back what became of them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.hostile.fields import headers_of
from tests.hostile.waiting import answer, eventually
from tests.hostile.wire import Raw, Wire
from toolkit import (
    Command,
    Consumer,
    Context,
    Event,
    Producer,
    Publishes,
    QueueOptions,
    Retry,
    Sends,
    Service,
    Settings,
)

QUEUE = "shop.take"
DEAD = "shop.take.dead"
NAME = b"orders.placed"
GOOD = b'{"number": 1}'
FAILING = b'{"number": -1}'


Lifespan = Callable[[Service], AbstractAsyncContextManager[None]]


class OrderPlaced(Event, name="orders.placed"):
    number: int


class ShipOrder(Command, name="orders.ship"):
    number: int


class Audited(Event, name="orders.audited"):
    number: int


class Shouted(Event, name="orders.shouted"):
    number: int


class Orders(Producer):
    placed = Publishes(OrderPlaced)
    shipped = Sends(ShipOrder)
    audited = Publishes(Audited, required=True)
    shouted = Publishes(Shouted)


class Take(Consumer[OrderPlaced]):
    """Fails for negative numbers, at once and for good."""

    retry = Retry(immediately=0, after=())
    concurrency = 4
    queue = QueueOptions(bindings=("orders.#",))

    def __init__(self, **declared: Any) -> None:
        vars(self).update(declared)
        self.tried: list[int] = []
        self.handled: list[int] = []

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        self.tried.append(message.number)
        if message.number < 0:
            raise ValueError(f"no order has the number {message.number}")
        self.handled.append(message.number)


def altered(given: Mapping[str, bytes], dead: Raw) -> set[str]:
    """The names of properties and headers that are not, byte for byte, what they were."""
    headers, kept = headers_of(given), dead.headers
    others = given.keys() - {"headers"}
    return {repr(name) for name, value in headers.items() if kept.get(name) != value} | {
        name for name in others if dead.properties.get(name) != given[name]
    }


@asynccontextmanager
async def nothing_around(_: Service) -> AsyncIterator[None]:
    """No lifespan."""
    yield


def shop_service(
    url: str,
    *consumers: Consumer[Any],
    producers: Sequence[type[Producer]] = (),
    lifespan: Lifespan = nothing_around,
    **settings: Any,
) -> Service:
    """A service called `shop` on this broker."""
    return Service(
        "shop",
        consumers=consumers,
        producers=producers,
        lifespan=lifespan,
        settings=Settings(amqp_url=url, **settings),
    )


class Shop:
    """A running `Take`, and a stranger's way to it."""

    def __init__(self, take: Take, wire: Wire) -> None:
        self.take = take
        self.wire = wire
        self._goods = 1_000

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, take: Take) -> "AsyncIterator[Shop]":
        """Start the service and connect the stranger."""
        with Wire.connected(url) as wire:
            async with shop_service(url, take):
                yield cls(take, wire)

    def send(
        self,
        body: bytes,
        properties: Mapping[str, bytes] | None = None,
        *,
        routing_key: bytes = NAME,
    ) -> None:
        """Publish to the events exchange."""
        self.wire.publish("events", routing_key, properties or {}, body)

    def forget(self) -> None:
        """Clear away what earlier attacks have left."""
        while self.wire.get(DEAD) is not None:
            pass
        self.take.tried.clear()
        self.take.handled.clear()

    async def dead(self) -> Raw:
        """The next dead letter."""
        return await answer(lambda: self.wire.get(DEAD))

    async def goes_on(self) -> None:
        """Returns once a good message has been handled, and nothing else is left of the bad."""
        self._goods += 1
        number = self._goods
        self.send(b'{"number": %d}' % number)
        await eventually(lambda: number in self.take.handled)
        assert self.wire.get(DEAD) is None
