"""Services that know each other's messages, to be described and never run.

Receives whatever a test wants otherwise, hands out services.
"""

from typing import Any

from toolkit import (
    Command,
    Consumer,
    Context,
    Event,
    KillSwitch,
    Producer,
    Publishes,
    QueueOptions,
    Retry,
    Sends,
    Service,
    Settings,
)
from toolkit.operations.description import Document, describe
from toolkit.operations.picture import Picture, picture_of
from toolkit.policies.duration import Duration


class Sold(Event, name="stall.sold", version=2):
    """Something was sold, for < 5 & "a bit"."""

    number: int


class Deliver(Command, name="cart.deliver"):
    """Bring it."""

    number: int


class StallMessages(Producer):
    """What the stall says."""

    sold = Publishes(Sold, required=True, ttl="5s", priority=3)
    deliver = Sends(Deliver)


class SoldHere(Event, name="stall.sold", version=2):
    """What the cart reads of it."""


class Bring(Consumer[Deliver]):
    """At once, or after a second."""

    retry = Retry(immediately=1, after=("1s",), never=(LookupError,))
    queue = QueueOptions(max_length=10)
    concurrency = 2
    timeout: Duration | None = "30s"

    async def handle(self, message: Deliver, context: Context) -> None:
        """Nothing."""


class Listen(Consumer[SoldHere]):
    """To everything of the stall's; a name of its own."""

    retry = Retry(immediately=0, after=())
    queue = QueueOptions(name="ears", bindings=("stall.#", "a<&>b"))
    kill_switch = KillSwitch()
    name = 'Listen & "learn" <b>'

    async def handle(self, message: SoldHere, context: Context) -> None:
        """Nothing."""


def stall(**settings: Any) -> Service:
    """Publishes an event and a command."""
    return Service("stall", producers=[StallMessages], settings=in_memory(**settings))


def cart(*consumers: Consumer[Any]) -> Service:
    """Takes both, unless given other consumers."""
    return Service("cart", consumers=consumers or (Bring(), Listen()), settings=in_memory())


def in_memory(**settings: Any) -> Settings:
    """So that no test depends on an environment."""
    return Settings(amqp_url="memory://", **settings)


def described(*services: Service) -> Document:
    """All that is said of them."""
    return describe(services)["services"]  # type: ignore[no-any-return]


def drawn(*services: Service) -> Picture:
    """Both, unless given others."""
    return picture_of(describe(services or (stall(), cart())))


def names_of(*services: Service) -> set[str]:
    """Every queue and exchange that carries messages, and every consumer."""
    names = {subscription.consumer for one in services for subscription in one.subscriptions}
    for one in services:
        names |= {queue.name for queue in one.topology.queues}
        names |= {exchange.name for exchange in one.topology.exchanges}
    return names
