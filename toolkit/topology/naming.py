"""The only place where a name on the broker is built.

Receives names of services, consumers and delays, hands names of queues and exchanges.
"""

import re
from datetime import timedelta
from typing import Final

from toolkit.policies.duration import format_duration

EVENTS: Final = "events"
"""The topic exchange that carries every event; the routing key is the event's name."""
COMMANDS: Final = "commands"
"""The direct exchange that carries every command; the routing key is the command's name."""
DEFAULT_EXCHANGE: Final = ""
"""AMQP's nameless exchange, where the routing key is a queue's name."""

_DEAD: Final = ".dead"

_SERVICE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_QUEUE = re.compile(r"[A-Za-z0-9_.:@#,/-]{1,200}")
_BEFORE_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def service_problem(service: str) -> str | None:
    """What is wrong with a service's name, or None."""
    if _SERVICE.fullmatch(service) and len(service) <= 60:
        return None
    return (
        f"'{service}' is no name for a service; use lower-case words joined by dashes, "
        "such as 'order-archive', 60 characters at most"
    )


def queue_problem(queue: object) -> str | None:
    """What is wrong with a queue's name, or None; 200 bytes leave room for ".dead"."""
    if not isinstance(queue, str) or not _QUEUE.fullmatch(queue):
        return f"queue name '{queue}' must have 1 to 200 letters, digits or any of -_.:@#,/"
    if queue.startswith("amq."):
        return f"queue name '{queue}': names that begin with 'amq.' belong to the broker"
    return None


def kebab(class_name: str) -> str:
    """`SendHTTPConsumer` becomes `send-http`: kebab case, without a trailing "Consumer"."""
    words = _BEFORE_CAPITAL.sub("-", class_name).replace("_", "-").strip("-").lower()
    return words.removesuffix("-consumer")


def consumer_queue(service: str, class_name: str) -> str:
    """The queue of one consumer."""
    return f"{service}.{kebab(class_name)}"


def dead_letter_queue(queue: str) -> str:
    """Where the dead letters of a queue are kept."""
    return f"{queue}{_DEAD}"


def is_dead_letter_queue(queue: str) -> bool:
    """Whether a queue is one of those, going by its name."""
    return queue.endswith(_DEAD)


def archive_queue(queue: str) -> str:
    """Where what is discarded from a queue of dead letters is kept for a while."""
    return f"{queue}.archive"


def rung(service: str, delay: timedelta) -> str:
    """The exchange and the queue in which a message waits for one delay."""
    return f"{service}.delay.{format_duration(delay)}"


def return_exchange(service: str) -> str:
    """Where a rung sends a message whose time is over."""
    return f"{service}.return"


def parked_queue(service: str) -> str:
    """Where a message is kept whose queue has gone while it waited."""
    return f"{service}.parked"


def suspects_queue(service: str) -> str:
    """Where messages wait to run alone, because their process died under them too often."""
    return f"{service}.suspects"


def migrating(queue: str) -> str:
    """The queue and the exchange that hold a queue's messages while it gets other arguments."""
    return f"{queue}.migrating"


def belongs_to(service: str, name: str) -> bool:
    """Whether a queue or exchange of this name is the service's by its name."""
    return name.startswith(f"{service}.")
