"""What is drawn of a description: who announces what, where it lies, who takes it, and what if not.

Receives a description, hands mermaid and svg the parts of the picture in their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from toolkit.operations.description import Document
from toolkit.policies.duration import format_duration
from toolkit.topology import naming


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message that a service publishes."""

    service: str
    exchange: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Route:
    """What an exchange sends to a queue."""

    exchange: str
    key: str
    queue: str


@dataclass(frozen=True, slots=True)
class Taking:
    """One consumer, its queue, and where its dead letters go."""

    consumer: str
    queue: str
    queue_facts: str
    facts: tuple[str, ...]
    dead_letters: str
    dead_facts: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A queue in which a message waits for its next try."""

    queue: str
    delay: str


@dataclass(frozen=True, slots=True)
class Band:
    """All that one service has on the broker."""

    service: str
    takings: tuple[Taking, ...]
    rungs: tuple[Rung, ...]
    way_back: str | None
    """The exchange that brings back what has waited."""
    others: tuple[tuple[str, str], ...]
    """Queues beside that, each with what it is for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Services together, so that what goes from one to another is seen."""

    exchanges: tuple[tuple[str, str], ...]
    """Name and type of those that all share."""
    announcements: tuple[Announcement, ...]
    routes: tuple[Route, ...]
    bands: tuple[Band, ...]

    def keys(self, exchange: str) -> tuple[str, ...]:
        """What passes through an exchange, as far as is known here."""
        announced = {one.name for one in self.announcements if one.exchange == exchange}
        wanted = {route.key for route in self.routes if route.exchange == exchange}
        return tuple(sorted(announced | wanted))

    @property
    def strangers(self) -> tuple[tuple[str, str], ...]:
        """Exchange and key of what is wanted, and announced by nobody in the picture."""
        announced = {(one.exchange, one.name) for one in self.announcements}
        wanted = {(route.exchange, route.key) for route in self.routes}
        return tuple(sorted(wanted - announced))


def picture_of(description: Document) -> Picture:
    """The picture of a description."""
    services = description["services"]
    shared = {
        name: exchange["type"]
        for service in services.values()
        for name, exchange in service["declares"]["exchanges"].items()
        if name in (naming.EVENTS, naming.COMMANDS)
    }
    announcements = (
        Announcement(name, one["exchange"], event, one["version"])
        for name, service in services.items()
        for event, one in service["publishes"].items()
    )
    routes = (
        Route(exchange, key, queue)
        for service in services.values()
        for exchange, key, queue in service["declares"]["bindings"]
        if exchange in shared
    )
    return Picture(
        exchanges=tuple(sorted(shared.items(), reverse=True)),
        announcements=tuple(announcements),
        routes=tuple(routes),
        bands=tuple(_band(name, service) for name, service in services.items()),
    )


def _band(name: str, service: Document) -> Band:
    declared: dict[str, dict[str, Any]] = service["declares"]["queues"]
    back = naming.return_exchange(name)
    has_rungs = back in service["declares"]["exchanges"]
    takings = tuple(_taking(queue, one, declared) for queue, one in service["consumes"].items())
    rungs = sorted(
        (arguments["x-message-ttl"], queue)
        for queue, arguments in declared.items()
        if arguments.get("x-dead-letter-exchange") == back
    )
    purposes = {
        naming.suspects_queue(name): "to run alone, after crashes",
        naming.parked_queue(name): "whose queue has gone meanwhile",
    }
    return Band(
        name,
        takings,
        tuple(Rung(queue, _length(ttl)) for ttl, queue in rungs),
        back if has_rungs else None,
        tuple((queue, purpose) for queue, purpose in purposes.items() if queue in declared),
    )


def _taking(queue: str, one: Document, declared: dict[str, dict[str, Any]]) -> Taking:
    dead = one["dead_letters"]
    return Taking(
        consumer=one["consumer"],
        queue=queue,
        queue_facts=", ".join(_queue_facts(declared[queue])),
        facts=tuple(consumer_facts(one)),
        dead_letters=dead["queue"],
        dead_facts=kept(dead),
    )


def consumer_facts(one: Document) -> Iterator[str]:
    """How a consumer works, in a few short lines."""
    limit = f", {one['timeout']} each" if one["timeout"] else ""
    yield f"{one['concurrency']} at once of {one['prefetch']} held{limit}"
    retry = one["retry"]
    tries = retry["immediately"] + 1
    yield f"{tries} {'try' if tries == 1 else 'tries'} in place, {retry['most_tries']} in all"
    if retry["after"]:
        yield f"again after {', '.join(retry['after'])}"
    if switch := one["kill_switch"]:
        yield f"pauses {switch['pause']} when {switch['share']:.0%} fail"


def kept(dead_letters: Document) -> str:
    """How long dead letters stay."""
    limits = []
    if dead_letters["retain"]:
        limits.append(f"for {dead_letters['retain']}")
    if dead_letters["max_length"]:
        limits.append(f"the last {dead_letters['max_length']:,}")
    return f"kept {' and '.join(limits)}" if limits else "kept for ever"


def _queue_facts(arguments: Document) -> Iterator[str]:
    yield arguments["x-queue-type"]
    if (ttl := arguments.get("x-message-ttl")) is not None:
        yield f"unread for {_length(ttl)} at most"
    if (length := arguments.get("x-max-length")) is not None:
        yield f"{length:,} messages at most"
    if (size := arguments.get("x-max-length-bytes")) is not None:
        yield f"{size:,} bytes at most"
    if arguments.get("x-single-active-consumer"):
        yield "one consumer at a time"
    if (priority := arguments.get("x-max-priority")) is not None:
        yield f"priorities to {priority}"


def _length(milliseconds: int) -> str:
    return format_duration(timedelta(milliseconds=milliseconds))
