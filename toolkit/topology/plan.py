"""From a service's declarations to everything that must exist on the broker.

Receives a `Subscription` for each consumer and the contracts that are published, hands a
`Topology` to the transport and to whoever wants to look at it without a connection.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from toolkit.messages.contract import Contract, Kind
from toolkit.policies.dead_letter import DeadLetters
from toolkit.policies.duration import Duration, parse_optional
from toolkit.policies.retry import Retry
from toolkit.topology import naming
from toolkit.topology.declarations import (
    UNLIMITED,
    Binding,
    Exchange,
    Queue,
    QueueType,
    Topology,
)

DELIVERY_LIMIT = 20
"""The backstop of a consumer's queue, the same on every broker version."""

Part = Exchange | Queue | Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """What a consumer may decide about its queue.

    `name` replaces `<service>.<consumer>`. `type` is quorum unless a queue may be lost with
    its node. `delivery_limit` is how often the broker hands a message out before it
    dead-letters it by itself: a backstop behind the crash budget, 20 unless set. `max_length`
    (messages) and `max_bytes` refuse further messages when they are reached. `ttl` dead-letters
    what has waited longer. `priorities` (classic queues only) is the highest priority.
    `bindings` are further routing keys on the events exchange, with `#` and `*`.
    """

    name: str | None = None
    type: QueueType = "quorum"
    delivery_limit: int = DELIVERY_LIMIT
    max_length: int | None = None
    max_bytes: int | None = None
    ttl: Duration | None = None
    single_active_consumer: bool = False
    priorities: int | None = None
    bindings: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)

    def problems(self, crash_budget: int) -> Iterator[str]:
        """What can't work, one sentence each."""
        yield from self._problems_of_name()
        yield from self._problems_of_type()
        yield from self._problems_of_limits(crash_budget)
        for name, value in self.arguments.items():
            if not isinstance(value, str | int | float):
                yield f"argument '{name}' must be text, a number or a boolean, not {value!r}"

    def _problems_of_name(self) -> Iterator[str]:
        if self.name is not None and (problem := naming.queue_problem(self.name)):
            yield problem

    def _problems_of_type(self) -> Iterator[str]:
        if self.type not in ("quorum", "classic"):
            yield f"queue type '{self.type}' is neither 'quorum' nor 'classic'"
        if self.priorities is not None and not 1 <= self.priorities <= 255:
            yield f"priorities must be 1 to 255, not {self.priorities}"
        if self.type == "quorum" and self.priorities is not None:
            yield "a quorum queue takes no `priorities`; use a queue for each priority"

    def _problems_of_limits(self, crash_budget: int) -> Iterator[str]:
        limit: object = self.delivery_limit
        if not isinstance(limit, int):
            yield f"delivery_limit must be a number, not {limit!r}"
        elif limit != UNLIMITED and limit <= crash_budget + 1:
            yield (
                f"a delivery limit of {limit} undercuts the crash budget of {crash_budget}: the "
                f"broker would dead-letter before the policy; use more than {crash_budget + 1}"
            )
        for name, length in (("max_length", self.max_length), ("max_bytes", self.max_bytes)):
            if length is not None and length < 1:
                yield f"{name} must be 1 or more, not {length}"
        try:
            parse_optional(self.ttl)
        except ValueError as error:
            yield f"ttl: {error}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one consumer asks of the broker."""

    consumer: str
    queue: str
    contracts: tuple[Contract, ...]
    retry: Retry
    dead_letters: DeadLetters
    options: QueueOptions

    @property
    def dead_letter_queue(self) -> str:
        """Where its dead letters go."""
        return naming.dead_letter_queue(self.queue)


def plan(
    service: str, subscriptions: Iterable[Subscription], published: Iterable[Contract]
) -> Topology:
    """Everything a service needs, computed without a connection.

    Raises `ConfigurationError` where two declarations contradict each other.
    """
    subscriptions = tuple(subscriptions)
    consumed = (contract for s in subscriptions for contract in s.contracts)
    return Topology.of(
        [
            *_buses({contract.kind for contract in (*consumed, *published)}),
            *_ladder(service, subscriptions),
            *(_suspects(service) if subscriptions else ()),
            *(part for s in subscriptions for part in _subscribed(s)),
        ]
    )


def rungs_of(subscriptions: Iterable[Subscription]) -> tuple[timedelta, ...]:
    """The delays of all policies, shortest first: a ladder belongs to the service."""
    return tuple(sorted({rung for s in subscriptions for rung in s.retry.rungs}))


def _buses(kinds: set[Kind]) -> Iterator[Part]:
    if kinds:  # a handler may publish events that no producer declares
        yield Exchange(naming.EVENTS, "topic")
    if "command" in kinds:
        yield Exchange(naming.COMMANDS, "direct")


def _ladder(service: str, subscriptions: tuple[Subscription, ...]) -> Iterator[Part]:
    """Rungs, the exchange that brings messages back, and the park for those that can't be."""
    rungs = rungs_of(subscriptions)
    if not rungs:
        return
    parked = naming.parked_queue(service)
    back = naming.return_exchange(service)
    yield Exchange(parked, "fanout")
    yield Queue(parked, delivery_limit=UNLIMITED)
    yield Binding(parked, parked)
    yield Exchange(back, "direct", alternate=parked)
    for delay in rungs:
        name = naming.rung(service, delay)
        yield Exchange(name, "fanout")
        yield Queue(
            name,
            delivery_limit=UNLIMITED,
            ttl=delay,
            overflow="reject-publish",
            dead_letter_exchange=back,
        )
        yield Binding(name, name)
    for subscription in subscriptions:
        yield Binding(back, subscription.queue, subscription.queue)


def _suspects(service: str) -> Iterator[Part]:
    yield Queue(naming.suspects_queue(service), delivery_limit=UNLIMITED)


def _subscribed(subscription: Subscription) -> Iterator[Part]:
    """A consumer's queue, its dead letters, and what brings messages to it."""
    options = subscription.options
    yield Queue(
        subscription.dead_letter_queue,
        delivery_limit=UNLIMITED,
        ttl=subscription.dead_letters.retain,
        max_length=subscription.dead_letters.max_length,
    )
    yield Queue(
        subscription.queue,
        type=options.type,
        delivery_limit=options.delivery_limit,
        ttl=parse_optional(options.ttl),
        max_length=options.max_length,
        max_bytes=options.max_bytes,
        overflow="reject-publish",
        dead_letter_exchange=naming.DEFAULT_EXCHANGE,
        dead_letter_routing_key=subscription.dead_letter_queue,
        single_active_consumer=options.single_active_consumer,
        max_priority=options.priorities,
        extra=options.arguments,
    )
    for contract in subscription.contracts:
        bus = naming.EVENTS if contract.kind == "event" else naming.COMMANDS
        yield Binding(bus, subscription.queue, contract.name)
    for key in options.bindings:
        yield Binding(naming.EVENTS, subscription.queue, key)


def shared_queues(subscriptions: Iterable[Subscription]) -> Iterator[str]:
    """Consumers that would share a queue, one sentence each."""
    first: dict[str, Subscription] = {}
    for subscription in subscriptions:
        other = first.setdefault(subscription.queue, subscription)
        if other is not subscription:
            yield (
                f"{other.consumer} and {subscription.consumer} would share the queue "
                f"'{subscription.queue}'; rename one, or give it "
                f'`queue = QueueOptions(name="...")`'
            )
