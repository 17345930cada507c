"""A service that uses all that permissions are for: events, commands, delays, dead letters.

Receives a broker's URL from tests; its handlers write down what they have done.
"""

from typing import Any

from toolkit import (
    Command,
    Consumer,
    Context,
    Event,
    Producer,
    Publishes,
    Reject,
    Retry,
    Sends,
    Service,
    Settings,
)


class Placed(Event, name="shop.placed"):
    """An order was placed."""

    number: int


class Ship(Command, name="shop.ship"):
    """Send it off."""

    number: int


class ShopMessages(Producer):
    """All that it says."""

    placed = Publishes(Placed)
    ship = Sends(Ship)


class Handle(Consumer[Placed]):
    """Rejects negative numbers, tries 0 twice, and sends off everything else."""

    retry = Retry(immediately=0, after=("1s",))

    def __init__(self) -> None:
        self.done: list[int] = []

    async def handle(self, message: Placed, context: Context) -> None:
        """See above."""
        if message.number < 0:
            raise Reject("no such order")
        if message.number == 0 and context.attempt == 1:
            raise LookupError("not yet")
        await context.send(Ship(number=message.number))
        self.done.append(message.number)


class SendOff(Consumer[Ship]):
    """Does as it is told."""

    def __init__(self) -> None:
        self.done: list[int] = []

    async def handle(self, message: Ship, context: Context) -> None:
        """Writes it down."""
        self.done.append(message.number)


class Shop:
    """The service, and its two consumers to look at."""

    def __init__(self, url: str, *, handle: Handle | None = None, **settings: Any) -> None:
        self.handle = handle or Handle()
        self.send_off = SendOff()
        self.service = Service(
            "shop",
            consumers=[self.handle, self.send_off],
            producers=[ShopMessages],
            settings=Settings(amqp_url=url, connect_timeout="5s", **settings),
        )
        self.messages = ShopMessages(self.service)


def make_shop() -> Service:
    """The service at the address of the environment."""
    return Shop(Settings().urls[0]).service
