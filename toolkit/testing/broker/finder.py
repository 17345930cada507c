"""The ways to a broker, in the order they are tried.

Receives what the environment and the machine have to offer, hands one `Broker` to whoever asked.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

from toolkit.testing.broker.container import container
from toolkit.testing.broker.found import Broker, WayClosedError
from toolkit.testing.broker.greeting import greet
from toolkit.testing.broker.installation import find_installation, install
from toolkit.testing.broker.node import private_node
from toolkit.testing.broker.search import Say, Search, Way
from toolkit.testing.broker.tls import TlsListener

DOCKER = "Docker"
HERE = "RabbitMQ on this machine"
INSTALLING = "Installing RabbitMQ"
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
        named = {name: os.environ[name] for name in variables if os.environ.get(name)}
        ways = [(name, named_by(name, url)) for name, url in named.items()]
        ways += OWN_WAYS.items()
    with Search(dict(ways), say) as search:
        yield search.find([name for name, _ in ways])


@contextmanager
def installed_here(say: Say, *, tls: TlsListener | None = None) -> Iterator[Broker]:
    """Start a private node of the RabbitMQ that is installed on this machine."""
    installation = find_installation()
    if installation is None:
        raise WayClosedError("there is none.")
    with private_node(installation, say, tls=tls) as broker:
        yield broker


@contextmanager
def installed_for_this(say: Say, *, tls: TlsListener | None = None) -> Iterator[Broker]:
    """Install RabbitMQ, where we may, then start a private node of it."""
    if find_installation() is not None:
        raise WayClosedError("it is installed already.")
    with private_node(install(say), say, tls=tls) as broker:
        yield broker


def named_by(source: str, url: str) -> Way:
    """The way to a broker that is there already, whose URL this option or variable says."""

    @contextmanager
    def way(_: Say) -> Iterator[Broker]:
        parts = urlsplit(url)
        place = host = parts.hostname or "localhost"
        try:
            place = f"{host}:{parts.port}" if parts.port else host
            greeting = greet(url)
        except (OSError, ValueError) as failure:
            raise WayClosedError(f"no broker answers at {place} ({failure}).") from failure
        yield Broker(
            url=url,
            management_url=os.environ.get(
                "TOOLKIT_MANAGEMENT_URL", f"http://{host}:{_MANAGEMENT_PORT}"
            ),
            description=f"{greeting} at {place}, as {source} says",
        )

    return way


OWN_WAYS = {DOCKER: container, HERE: installed_here, INSTALLING: installed_for_this}


def ways_with_tls(listener: TlsListener) -> dict[str, Way]:
    """`OWN_WAYS`, to brokers that have a port for TLS as well."""
    return {name: partial(way, tls=listener) for name, way in OWN_WAYS.items()}
