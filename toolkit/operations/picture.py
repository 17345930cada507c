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
from toolkit.topology.declarations import Binding
from toolkit.transport.memory.routing import topic_matches


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message that a service publishes."""

    service: str
    exchange: str
    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One consumer, its queue, and where its dead letters go."""

    name: str
    facts: tuple[str, ...]
    queue: str
    queue_facts: str
    dead_letters: str
    dead_letter_facts: str
    has_delays: bool
    """Whether what failed waits on a rung."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A queue in which messages wait for their next try."""

    queue: str
    facts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """All that one service has on the broker."""

    service: str
    consumers: tuple[Consumer, ...]
    rungs: tuple[Rung, ...]
    """The shortest delay first."""
    way_back: str | None
    """The exchange that brings back what has waited."""
    others: tuple[tuple[str, str], ...]
    """Further queues, each with what it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Services together, so that what goes from one to another is seen."""

    exchanges: tuple[tuple[str, str], ...]
    """Name and type of those that services share."""
    announcements: tuple[Announcement, ...]
    bindings: tuple[Binding, ...]
    """From a shared exchange to a consumer's queue."""
    bands: tuple[Band, ...]

    def keys(self, exchange: str) -> tuple[str, ...]:
        """What is announced or wanted at an exchange."""
        announced = {one.name for one in self.announcements if one.exchange == exchange}
        wanted = {one.routing_key for one in self.bindings if one.exchange == exchange}
        return tuple(sorted(announced | wanted))

    def ways(self, announcement: Announcement) -> tuple[str, ...]:
        """The keys, its own among them, by which its exchange may hand it on."""
        keys = self.keys(announcement.exchange)
        return tuple(key for key in keys if topic_matches(key, announcement.name))

    @property
    def strangers(self) -> tuple[tuple[str, str], ...]:
        """Exchange and key of what is wanted, and announced by nobody in the picture."""
        announced = {(one.exchange, key) for one in self.announcements for key in self.ways(one)}
        wanted = {(one.exchange, one.routing_key) for one in self.bindings}
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
    return Picture(
        exchanges=tuple(sorted(shared.items(), reverse=True)),
        announcements=tuple(
            Announcement(name, one["exchange"], message, one["version"])
            for name, service in services.items()
            for message, one in service["publishes"].items()
        ),
        bindings=tuple(
            Binding(exchange, queue, key)
            for service in services.values()
            for exchange, key, queue in service["declares"]["bindings"]
            if exchange in shared
        ),
        bands=tuple(_band(name, service) for name, service in services.items()),
    )


def _band(name: str, service: Document) -> Band:
    declared: dict[str, dict[str, Any]] = service["declares"]["queues"]
    back = naming.return_exchange(name)
    rungs = {
        queue: arguments["x-message-ttl"]
        for queue, arguments in declared.items()
        if arguments.get("x-dead-letter-exchange") == back
    }
    purposes = {
        naming.suspects_queue(name): "run alone, after crashes",
        naming.parked_queue(name): "came back and found no queue",
    }
    return Band(
        service=name,
        consumers=tuple(
            _consumer(queue, one, declared) for queue, one in service["consumes"].items()
        ),
        rungs=tuple(Rung(queue) for queue in sorted(rungs, key=lambda queue: rungs[queue])),
        way_back=back if rungs else None,
        others=tuple((queue, purpose) for queue, purpose in purposes.items() if queue in declared),
    )


def _consumer(queue: str, one: Document, declared: dict[str, dict[str, Any]]) -> Consumer:
    dead_letters = one["dead_letters"]
    return Consumer(
        name=one["consumer"],
        facts=(pace(one), *tries(one)),
        queue=queue,
        queue_facts=", ".join(_queue_facts(declared[queue])),
        dead_letters=dead_letters["queue"],
        dead_letter_facts=kept(dead_letters),
        has_delays=bool(one["retry"]["after"]),
    )


def pace(consumer: Document) -> str:
    """How much one process does at a time."""
    limit = f", {consumer['timeout']} each" if consumer["timeout"] else ""
    return f"{consumer['concurrency']} at once, {consumer['prefetch']} held{limit}"


def tries(consumer: Document) -> Iterator[str]:
    """What happens when it fails, in a few short lines."""
    retry = consumer["retry"]
    in_place = retry["immediately"] + 1
    yield f"{in_place} {'try' if in_place == 1 else 'tries'} in place, {retry['most_tries']} in all"
    if retry["after"]:
        yield f"again after {', '.join(_span(step) for step in retry['after'])}"
    if switch := consumer["kill_switch"]:
        yield f"pauses {switch['pause']} when {switch['share']:.0%} fail"


def _span(step: str) -> str:
    """From the shortest to the longest of the delays that jitter chooses from."""
    shortest, *longer = step.split("/")
    return f"{shortest} to {longer[-1]}" if longer else shortest


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
        yield f"unread for {format_duration(timedelta(milliseconds=ttl))} at most"
    if (length := arguments.get("x-max-length")) is not None:
        yield f"{length:,} messages at most"
    if (size := arguments.get("x-max-length-bytes")) is not None:
        yield f"{size:,} bytes at most"
    if arguments.get("x-single-active-consumer"):
        yield "one consumer at a time"
    if (priority := arguments.get("x-max-priority")) is not None:
        yield f"priorities to {priority}"
