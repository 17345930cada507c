"""The broker that the story plays on: the one that was asked for, or the first that is to be had.

Receives a choice from the command line, hands the stage the URL of a place that is ours alone.
"""

import os
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from toolkit.observability.logging import without_passwords
from toolkit.testing.broker import Broker, BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import DOCKER, HERE, OWN_WAYS, named_by
from toolkit.testing.broker.management import ManagementError
from toolkit.testing.broker.search import Say, Way
from toolkit.transport.memory.named import is_memory
from toolkit.transport.rabbitmq.options import address_problem

MEMORY = "memory"
IN_MEMORY = "memory://"
_VARIABLE = "TOOLKIT_AMQP_URL"
_OPTION = "--broker"
_OURS = {"local": HERE, "docker": DOCKER}


def choice(text: str) -> str:
    """A broker as it is asked for. Raises ArgumentTypeError, which says what can be."""
    if text in (MEMORY, IN_MEMORY):
        return MEMORY
    if text in _OURS or ("://" in text and address_problem(text) is None):
        return text
    problem = address_problem(text) if "://" in text else "is no broker"
    raise ArgumentTypeError(
        f"'{without_passwords(text)}' {problem}. Choose memory, local (a private node of the "
        "RabbitMQ on this machine), docker (a container) or the URL of a broker (amqp://...)"
    )


@contextmanager
def found(
    asked: str | None, say: Say, *, ways: Sequence[tuple[str, Way]] | None = None
) -> Iterator[str]:
    """A virtual host of our own on what was asked for, or a broker in memory.

    Where nothing was asked for, the first RabbitMQ is taken that is to be had (`ways` takes the
    place of the usual ones), and a broker in memory if there is none. Raises BrokerNotFoundError
    or ManagementError for a RabbitMQ that was asked for and can't be had.
    """
    if asked is None and is_memory(os.environ.get(_VARIABLE, "")):
        asked = MEMORY
    with ExitStack() as stack:
        if asked == MEMORY:
            say("Broker: one in memory, in this process.")
            yield IN_MEMORY
        elif asked is not None:
            broker = stack.enter_context(find_broker(say, ways=[_way_to(asked)]))
            yield stack.enter_context(_virtual_host(broker))
        else:
            yield _first_to_be_had(say, stack, ways)


def _first_to_be_had(say: Say, stack: ExitStack, ways: Sequence[tuple[str, Way]] | None) -> str:
    try:
        broker = stack.enter_context(find_broker(say, ways=ways))
        try:
            return stack.enter_context(_virtual_host(broker))
        except ManagementError as error:
            if broker.is_ours:
                raise
            say(f"No virtual host of our own can be made there: {error} Taking another broker.")
        broker = stack.enter_context(find_broker(say, variables=()))
        return stack.enter_context(_virtual_host(broker))
    except BrokerNotFoundError:
        say(
            "No RabbitMQ is to be had here, for the reasons above, so the story is told on a "
            "broker in memory, in this process."
        )
        return IN_MEMORY


def _way_to(asked: str) -> tuple[str, Way]:
    name = _OURS.get(asked, _OPTION)
    return name, OWN_WAYS[name] if name in OWN_WAYS else named_by(_OPTION, asked)


def _virtual_host(broker: Broker) -> AbstractContextManager[str]:
    return broker.virtual_host(f"demo-{os.getpid()}")
