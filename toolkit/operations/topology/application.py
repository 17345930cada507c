"""What is missing, made; what is there is never changed.

Receives differences, carries out those that say "missing", and tells what it did.
"""

from collections.abc import Callable, Iterable

from toolkit.operations.audit import Record
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.difference import Finding
from toolkit.topology.declarations import Binding, Exchange, Queue
from toolkit.topology.live import Bound

Part = Exchange | Queue | Binding


def to_make(findings: Iterable[Finding]) -> list[Part]:
    """What is missing, in the order in which it can be made."""
    return [one.part for one in findings if one.part is not None]


async def apply(
    broker: Broker, parts: Iterable[Part], *, say: Callable[[str], None], record: Record
) -> None:
    """Makes them, one after the other. Raises `TransportError` at the first that can't be."""
    for part in parts:
        record("make", stage="begin", what=str(part))
        match part:
            case Exchange():
                await broker.amqp.declare_exchange(part)
            case Queue():
                await broker.amqp.declare(part)
            case Binding():
                bound = Bound(part.exchange, part.routing_key)
                await broker.amqp.bind(part.queue, [bound])
        record("make", stage="end", what=str(part))
        say(f"made {shown(part)}")


def shown(part: Part) -> str:
    """For people."""
    match part:
        case Exchange():
            return f"{part.type} exchange '{part.name}'"
        case Queue():
            return f"{part.type} queue '{part.name}'"
        case Binding():
            bound = Bound(part.exchange, part.routing_key)
            return f"binding of queue '{part.queue}' to {bound}"
