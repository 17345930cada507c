"""The broker that the services of a session talk through.

Receives what was asked for, hands the session an address; others find it in `.toolkit/dev.json`.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ConfigurationError
from toolkit.observability.logging import without_passwords
from toolkit.operations.address import DEV_FILE
from toolkit.service.settings import Settings
from toolkit.testing.broker import BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import DOCKER, HERE, OWN_WAYS
from toolkit.transport.rabbitmq.options import address_problem

MEMORY = "memory"

_OURS = {"docker": DOCKER, "local": HERE}
_OPTION = "--broker"
_VARIABLE = "TOOLKIT_AMQP_URL"


@dataclass(frozen=True, slots=True)
class Place:
    """A broker's addresses. Without one for AMQP it is to be made, in this process."""

    description: str
    amqp_url: str | None = None
    management_url: str | None = None


IN_MEMORY = Place("in memory: what lies in its queues is gone when this ends")


@contextmanager
def place_for(asked: str | None, say: Callable[[str], None]) -> Iterator[Place]:
    """The broker that was asked for: memory, docker, local or an address.

    Otherwise the one in TOOLKIT_AMQP_URL (of the environment or .env), else one started in Docker
    or from the RabbitMQ on this machine, which is gone again afterwards; where none is to be had,
    one in memory. Raises ConfigurationError, or BrokerNotFoundError for one that was asked for.
    """
    wanted, source = (asked, _OPTION) if asked else (_configured(), _VARIABLE)
    if wanted is None:
        with _found(say, DOCKER, HERE, needed=False) as place:
            yield place
    elif wanted.partition(":")[0] == MEMORY:
        yield IN_MEMORY
    elif wanted in _OURS:
        with _found(say, _OURS[wanted], needed=True) as place:
            yield place
    elif problem := address_problem(wanted.partition(",")[0]):
        raise ConfigurationError(
            f"'{without_passwords(wanted)}' {problem}",
            [f"{source} takes memory, docker, local, or the address of a broker (amqp://...)"],
        )
    else:
        where = without_passwords(wanted)
        yield Place(f"{where}, as {source} says", wanted, os.environ.get("TOOLKIT_MANAGEMENT_URL"))


@contextmanager
def _found(say: Callable[[str], None], *ways: str, needed: bool) -> Iterator[Place]:
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(
                find_broker(say, ways=[(name, OWN_WAYS[name]) for name in ways])
            )
            place = Place(broker.description, broker.url, broker.management_url)
        except BrokerNotFoundError:
            if needed:
                raise
            say("No RabbitMQ is to be had, for the reasons above, so here is one in memory.")
            place = IN_MEMORY
        yield place


def _configured() -> str | None:
    """The address that the environment or .env has, if either says any."""
    settings = Settings()
    return settings.amqp_url.get_secret_value() if "amqp_url" in settings.model_fields_set else None


@contextmanager
def noted(
    root: Path, amqp_url: str, management_url: str | None, say: Callable[[str], None]
) -> Iterator[None]:
    """For as long as it lasts, other commands in this project find the broker without being told.

    The file holds a password, so it is for this user only. Where it can't be written, that is said.
    """
    path = root / DEV_FILE
    note = {"pid": os.getpid(), "amqp_url": amqp_url, "management_url": management_url}
    try:
        _write(path, json.dumps(note))
    except OSError as error:
        say(f"{path} can't be written ({error.strerror}): other commands need --broker")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    (path.parent / ".gitignore").write_text("*\n")
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
