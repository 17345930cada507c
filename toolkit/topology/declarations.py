"""Exchanges, queues and bindings as frozen values.

Receives the options of a declaration, hands AMQP arguments to a transport. Arguments depend on
the broker's version in one place only: what "no delivery limit" is called.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from toolkit.errors import ConfigurationError

Version = tuple[int, int]
"""Major and minor version of a broker."""

QueueType = Literal["quorum", "classic"]
Overflow = Literal["drop-head", "reject-publish"]
TopologyMode = Literal["declare", "check", "off"]
"""Whether a service creates what it needs, only compares it, or leaves it to others."""
ExchangeType = Literal["direct", "topic", "fanout", "headers"]

UNLIMITED = -1
"""No delivery limit at all."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: ExchangeType
    alternate: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments to declare it with."""
        return {"alternate-exchange": self.alternate} if self.alternate else {}


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue. Times are timedeltas, `max_bytes` is in bytes."""

    name: str
    type: QueueType = "quorum"
    delivery_limit: int | None = None
    ttl: timedelta | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: Overflow | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    single_active_consumer: bool = False
    max_priority: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, version: Version) -> dict[str, Any]:
        """The arguments to declare it with on a broker of this version.

        The type is always sent, because a virtual host can have a default of its own. From 4.0
        a quorum queue has a delivery limit of 20 unless told otherwise, and -1 means none;
        before, there is none unless set, and -1 would dead-letter at once
        (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling).
        """
        limit = self.delivery_limit
        if limit == UNLIMITED and version < (4, 0):
            limit = None
        at_least_once = self.type == "quorum" and self.dead_letter_exchange is not None
        arguments = {
            "x-queue-type": self.type,
            "x-delivery-limit": limit if self.type == "quorum" else None,
            "x-message-ttl": None if self.ttl is None else round(self.ttl.total_seconds() * 1000),
            "x-max-length": self.max_length,
            "x-max-length-bytes": self.max_bytes,
            "x-overflow": self.overflow,
            "x-dead-letter-exchange": self.dead_letter_exchange,
            "x-dead-letter-routing-key": self.dead_letter_routing_key,
            "x-dead-letter-strategy": "at-least-once" if at_least_once else None,
            "x-single-active-consumer": self.single_active_consumer or None,
            "x-max-priority": self.max_priority,
            **self.extra,
        }
        return {name: value for name, value in arguments.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Binding:
    """What an exchange sends to a queue."""

    exchange: str
    queue: str
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that a service needs to exist, each thing once, in the order to declare it."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Exchange | Queue | Binding]) -> "Topology":
        """Collects parts, and refuses two of one name that differ."""
        exchanges: dict[str, Exchange] = {}
        queues: dict[str, Queue] = {}
        bindings: dict[Binding, None] = {}
        problems = []
        for part in parts:
            if isinstance(part, Binding):
                bindings[part] = None
                continue
            known = (
                exchanges.setdefault(part.name, part)
                if isinstance(part, Exchange)
                else queues.setdefault(part.name, part)
            )
            if known != part:
                problems.append(f"'{part.name}' is declared twice, as {known} and as {part}")
        if problems:
            raise ConfigurationError("The declarations contradict each other", problems)
        return cls(tuple(exchanges.values()), tuple(queues.values()), tuple(bindings))

    def __iter__(self) -> Iterator[Exchange | Queue | Binding]:
        yield from self.exchanges
        yield from self.queues
        yield from self.bindings
