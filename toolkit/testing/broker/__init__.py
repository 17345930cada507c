"""Finds a RabbitMQ to run against, and takes away all that it had to start.

Receives a function to tell the story with, hands a `Broker` to the demo and to the tests. Nothing
but the standard library is imported until a way needs more.

In reading order:

- ``finder``: the ways to a broker, in the order they are tried.
- ``search``: takes these ways, each once, however often it is asked.
- ``desk``: one search for several processes.
- ``found``: `Broker`, what was found, and the errors of looking for it.
- ``container``: the way through Docker.
- ``node``: the way through a RabbitMQ installed here, as a private node.
- ``tls``: what either shows to clients that speak TLS.
- ``installation``: where an installed RabbitMQ is, and installing one.
- ``greeting``: who listens at an AMQP URL, and since when.
- ``management``: virtual hosts through the management HTTP API.
- ``ports``: ports that stay free while a broker restarts.
- ``keeper``: the process that removes what we started, even if we are killed.
"""

from toolkit.testing.broker.finder import find_broker
from toolkit.testing.broker.found import (
    Broker,
    BrokerFailedError,
    BrokerNotFoundError,
    BrokerNotOursError,
)

__all__ = [
    "Broker",
    "BrokerFailedError",
    "BrokerNotFoundError",
    "BrokerNotOursError",
    "find_broker",
]
