"""The ways to a broker, in the order they are tried.

Receives what the environment and the machine have to offer, hands one `Broker` to whoever asked.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from urllib.parse import urlsplit

from toolkit.testing.broker.container import container
from toolkit.testing.broker.found import Broker, BrokerNotFoundError, WayClosedError
from toolkit.testing.broker.greeting import greet
from toolkit.testing.broker.installation import find_installation, install
from toolkit.testing.broker.node import private_node

Say = Callable[[str], None]
Way = Callable[[Say], AbstractContextManager[Broker]]

_MANAGEMENT_PORT = 15672


@contextmanager
def find_broker(
    say: Say,
    *,
    variables: Sequence[str] = ("TOOLKIT_AMQP_URL",),
    ways: Sequence[tuple[str, Way]] | None = None,
) -> Iterator[Broker]:
    """Find a broker, or start one that is gone again when the context ends.

    Tried in this order: the URL in the first of `variables` that is set, Docker, a private node of
    an installed RabbitMQ, and installing it first. `say` gets a sentence for each way that fails,
    for whatever takes long, and for what was found. `ways` takes the place of all that; without
    `variables` only a broker of our own will do.

    Raises BrokerNotFoundError, which lists every attempt, if none of them leads to a broker.
    """
    if ways is None:
        ways = [(name, _named_by(name)) for name in variables if os.environ.get(name)]
        ways += OWN_WAYS
    with ExitStack() as stack:
        yield _take_first(ways, say, stack)


@contextmanager
def installed_here(say: Say) -> Iterator[Broker]:
    """Start a private node of the RabbitMQ that is installed on this machine."""
    installation = find_installation()
    if installation is None:
        raise WayClosedError("there is none.")
    with private_node(installation, say) as broker:
        yield broker


@contextmanager
def installed_for_this(say: Say) -> Iterator[Broker]:
    """Install RabbitMQ, where we may, then start a private node of it."""
    if find_installation() is not None:
        raise WayClosedError("it is installed already.")
    with private_node(install(say), say) as broker:
        yield broker


OWN_WAYS: tuple[tuple[str, Way], ...] = (
    ("Docker", container),
    ("RabbitMQ on this machine", installed_here),
    ("Installing RabbitMQ", installed_for_this),
)


def _take_first(ways: Sequence[tuple[str, Way]], say: Say, stack: ExitStack) -> Broker:
    tried = []
    for name, way in ways:
        try:
            broker = stack.enter_context(way(say))
        except WayClosedError as closed:
            tried.append(f"{name}: {closed}")
            say(tried[-1])
        else:
            say(f"Broker: {broker.description}.")
            return broker
    raise BrokerNotFoundError(tried)


def _named_by(variable: str) -> Way:
    @contextmanager
    def way(_: Say) -> Iterator[Broker]:
        url = os.environ[variable]
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        place = f"{host}:{parts.port}" if parts.port else host
        try:
            greeting = greet(url)
        except (OSError, ValueError) as failure:
            raise WayClosedError(f"no broker answers at {place} ({failure}).") from failure
        yield Broker(
            url=url,
            management_url=os.environ.get(
                "TOOLKIT_MANAGEMENT_URL", f"http://{host}:{_MANAGEMENT_PORT}"
            ),
            description=f"{greeting} at {place}, as {variable} says",
        )

    return way
