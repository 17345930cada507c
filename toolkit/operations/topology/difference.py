"""Declared against live: each difference in a sentence, with what to do and what is at risk.

Receives what is declared and what a broker holds, hands differences to the command, and to what
applies and prunes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from toolkit.errors import Difference
from toolkit.operations.doctor.queue import seen
from toolkit.operations.topology.declared import Declared
from toolkit.topology import naming
from toolkit.topology.declarations import Binding, Exchange, Queue
from toolkit.topology.live import Bound, Live, LiveExchange, LiveQueue
from toolkit.transport.rabbitmq.inspector import Inspector

What = Literal["missing", "different", "extra", "unfinished"]
Kind = Literal["exchange", "queue", "binding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. `risk` says what it may do to messages."""

    what: What
    kind: Kind
    name: str
    sentence: str
    remedy: str
    risk: str
    part: Exchange | Queue | Binding | None = None
    """What would have to be made."""


_MEANINGS = {
    "x-queue-type": "a queue's type is fixed when it is made",
    "x-message-ttl": "how long a message may wait, in milliseconds, before it is dead-lettered",
    "x-max-length": "how many messages it takes",
    "x-max-length-bytes": "how many bytes it takes",
    "x-overflow": "what happens to a message when it is full",
    "x-delivery-limit": "how often a message is handed out before the broker gives it up",
    "x-dead-letter-exchange": "where the broker sends what it gives up",
    "x-dead-letter-routing-key": "where the broker sends what it gives up",
    "x-dead-letter-strategy": "whether the broker waits for a confirm before it lets a message go",
    "x-single-active-consumer": "whether one consumer at a time gets messages",
    "x-max-priority": "how many priorities there are",
    "x-expires": "a queue that nobody uses is deleted with all that is in it",
}
_RUNNING = (
    "none is lost: what runs goes on with the queue as it is, and warns; what starts with the new "
    "declaration refuses to"
)
_FILLS_UP = "none is lost, but what comes for it waits for as long as nobody consumes it"
_NONE = "none"


def differences(declared: Declared, live: Live) -> list[Finding]:
    """All of them; what is missing first."""
    return [
        *_missing(declared, live),
        *_different(declared, live),
        *_unfinished(declared, live),
        *_extra(declared, live),
    ]


def _missing(declared: Declared, live: Live) -> Iterator[Finding]:
    for exchange in declared.topology.exchanges:
        if exchange.name not in live.exchanges:
            yield missing_exchange(exchange)
    for queue in declared.topology.queues:
        if queue.name not in live.queues:
            yield missing_queue(declared, queue)
    for binding in declared.topology.bindings:
        if not live.has(binding) and not _is_aside(binding, live):
            yield missing_binding(binding)


def _is_aside(binding: Binding, live: Live) -> bool:
    """Whether a migration that wasn't finished has it, and will give it back."""
    bounds = live.bounds(naming.migrating(binding.queue))
    return Bound(binding.exchange, binding.routing_key) in bounds


def missing_exchange(exchange: Exchange) -> Finding:
    """An exchange that isn't there."""
    return Finding(
        what="missing",
        kind="exchange",
        name=exchange.name,
        sentence=f"{exchange.type} exchange '{exchange.name}' isn't there",
        remedy="`toolkit topology apply`, or start a service that declares it",
        risk="none: a publish to it fails, and says so",
        part=exchange,
    )


def missing_queue(declared: Declared, queue: Queue) -> Finding:
    """A queue that isn't there."""
    return Finding(
        what="missing",
        kind="queue",
        name=queue.name,
        sentence=f"{queue.type} queue '{queue.name}' isn't there{_as_rung(declared, queue.name)}",
        remedy="`toolkit topology apply`, or start a service that declares it",
        risk="events don't reach it before it is there; what is sent to it by name is refused",
        part=queue,
    )


def _as_rung(declared: Declared, name: str) -> str:
    """A rung's delay is its name, so another ladder is other queues."""
    owner = declared.owner(name)
    if owner is None or not name.startswith(f"{owner}.delay."):
        return ""
    return (
        f": a rung of the ladder of {owner}; the delay is part of its name, so a changed ladder "
        "has new rungs, and what waits in an old one still comes back in time"
    )


def missing_binding(binding: Binding) -> Finding:
    """A binding that isn't there."""
    bound = Bound(binding.exchange, binding.routing_key)
    return Finding(
        what="missing",
        kind="binding",
        name=binding.queue,
        sentence=f"queue '{binding.queue}' isn't bound to {bound}",
        remedy="`toolkit topology apply`, or start a service that declares it",
        risk="what is published with it doesn't reach the queue",
        part=binding,
    )


def _different(declared: Declared, live: Live) -> Iterator[Finding]:
    for exchange in declared.topology.exchanges:
        if (found := live.exchanges.get(exchange.name)) is not None:
            for one in exchange_differences(exchange, found):
                yield different(one)
    for queue in declared.topology.queues:
        if (there := live.queues.get(queue.name)) is not None:
            for one in queue_differences(queue.name, queue.arguments(declared.version), there):
                yield different(one, content=there.content)


def exchange_differences(declared: Exchange, found: LiveExchange) -> list[Difference]:
    """Type, durability and arguments."""
    pairs: list[tuple[str, object, object]] = [
        ("type", declared.type, found.type),
        ("durable", True, found.is_durable),
        *_pairs(declared.arguments, dict(found.arguments)),
    ]
    return [Difference("exchange", declared.name, *pair) for pair in pairs if pair[1] != pair[2]]


def queue_differences(name: str, arguments: dict[str, Any], found: LiveQueue) -> list[Difference]:
    """Durability and arguments, the type among them."""
    pairs = [("durable", True, found.is_durable), *_pairs(arguments, found.all_arguments)]
    return [Difference("queue", name, *pair) for pair in pairs if pair[1] != pair[2]]


def _pairs(wanted: dict[str, Any], found: dict[str, Any]) -> list[tuple[str, object, object]]:
    return [(name, wanted.get(name), found.get(name)) for name in sorted(wanted | found)]


def different(one: Difference, content: str = "") -> Finding:
    """An argument that the broker holds otherwise."""
    meaning = f" ({_MEANINGS[one.argument]})" if one.argument in _MEANINGS else ""
    holds = f"; it holds {content}" if content else ""
    if one.kind == "queue":
        remedy = f"`toolkit topology migrate {one.name}`, or declare what the broker has"
    else:
        remedy = (
            "declare what the broker has; or stop what uses it, delete it, and apply: an exchange "
            "can't be changed, and its bindings go with it"
        )
    return Finding(
        what="different",
        kind="queue" if one.kind == "queue" else "exchange",
        name=one.name,
        sentence=f"{one}{meaning}{holds}",
        remedy=remedy,
        risk=_RUNNING,
    )


def _unfinished(declared: Declared, live: Live) -> Iterator[Finding]:
    for queue in declared.topology.queues:
        name = naming.migrating(queue.name)
        if name in live.queues or name in live.exchanges:
            there = live.queues.get(name)
            content = f", and holds {there.content}" if there else ""
            yield Finding(
                what="unfinished",
                kind="queue",
                name=name,
                sentence=f"'{name}' is left of a migration that wasn't finished{content}",
                remedy=f"`toolkit topology migrate {queue.name}` finishes it, --undo takes it back",
                risk="none is lost, but what is in it isn't consumed",
            )


def _extra(declared: Declared, live: Live) -> Iterator[Finding]:
    for queue in leftover_queues(declared, live):
        yield Finding(
            what="extra",
            kind="queue",
            name=queue.name,
            sentence=f"{queue.type} queue '{queue.name}' is declared by nobody here; it holds "
            f"{queue.content}{_as_rung(declared, queue.name)}",
            remedy="`toolkit topology prune --delete`, once it is empty and no older release runs",
            risk=_FILLS_UP if live.bounds(queue.name) else _NONE,
        )
    for exchange in leftover_exchanges(declared, live):
        yield Finding(
            what="extra",
            kind="exchange",
            name=exchange.name,
            sentence=f"{exchange.type} exchange '{exchange.name}' is declared by nobody here",
            remedy="`toolkit topology prune --delete`, once no older release runs",
            risk=_NONE,
        )
    for name, bound in leftover_bindings(declared, live):
        yield Finding(
            what="extra",
            kind="binding",
            name=name,
            sentence=f"queue '{name}' is bound to {bound}, which nobody here declares",
            remedy="`toolkit topology prune --delete`, once no older release runs",
            risk="messages that come with it end as dead letters, if nobody handles their type",
        )


def leftover_queues(declared: Declared, live: Live) -> list[LiveQueue]:
    """Queues under these services' names that nobody declares: without those of a migration, and
    those that go with a connection.
    """
    return [
        queue
        for name, queue in sorted(live.queues.items())
        if declared.owner(name)
        and name not in declared.names
        and not queue.is_exclusive
        and not _is_migration(declared, name)
    ]


def leftover_exchanges(declared: Declared, live: Live) -> list[LiveExchange]:
    """Exchanges likewise."""
    return [
        exchange
        for name, exchange in sorted(live.exchanges.items())
        if declared.owner(name) and name not in declared.names and not _is_migration(declared, name)
    ]


def leftover_bindings(declared: Declared, live: Live) -> list[tuple[str, Bound]]:
    """Bindings of declared queues that nobody declares; those to an exchange of a migration are
    its own.
    """
    wanted = {(b.queue, Bound(b.exchange, b.routing_key)) for b in declared.topology.bindings}
    return [
        (queue.name, bound)
        for queue in declared.topology.queues
        for bound in live.bounds(queue.name)
        if (queue.name, bound) not in wanted and bound.exchange != naming.migrating(queue.name)
    ]


def _is_migration(declared: Declared, name: str) -> bool:
    return any(name == naming.migrating(queue.name) for queue in declared.topology.queues)


async def differences_by_amqp(declared: Declared, inspector: Inspector) -> list[Finding]:
    """Those of queues and exchanges that are declared: all that AMQP can tell."""
    found = await seen(declared.topology, inspector)
    return [
        *(missing_exchange(e) for e in declared.topology.exchanges if not found.exchanges[e.name]),
        *(
            missing_queue(declared, queue)
            for queue in declared.topology.queues
            if found.queues[queue.name] is None
        ),
        *(different(one) for one in found.differences),
    ]
