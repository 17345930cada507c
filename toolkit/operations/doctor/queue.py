"""The queues and exchanges of a service: there or not, as declared or not, consumed or not.

Receives a service and an inspector, hands findings.
"""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.errors import Difference
from toolkit.operations.doctor.finding import Finding, Status
from toolkit.service import Service
from toolkit.topology import naming
from toolkit.topology.declarations import UNLIMITED, Topology
from toolkit.topology.plan import Subscription
from toolkit.transport.rabbitmq.inspector import Inspector, QueueState

TOPOLOGY, DEAD_LETTERS, CONSUMERS = "topology", "dead letters", "consumers"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there of a service's topology."""

    queues: Mapping[str, QueueState | None]
    exchanges: Mapping[str, bool]
    differences: tuple[Difference, ...]

    @property
    def missing(self) -> list[str]:
        """As people read it."""
        exchanges = [f"exchange '{name}'" for name, there in self.exchanges.items() if not there]
        return [*exchanges, *(f"queue '{n}'" for n, state in self.queues.items() if state is None)]


async def seen(topology: Topology, inspector: Inspector) -> Seen:
    """All of it, side by side."""
    names = [queue.name for queue in topology.queues]
    buses = [exchange.name for exchange in topology.exchanges]
    parts = [
        *(Topology(exchanges=(exchange,)) for exchange in topology.exchanges),
        *(Topology(queues=(queue,)) for queue in topology.queues),
    ]
    states, there, differences = await asyncio.gather(
        asyncio.gather(*map(inspector.queue, names)),
        asyncio.gather(*map(inspector.has_exchange, buses)),
        asyncio.gather(*map(inspector.differences, parts)),
    )
    return Seen(
        dict(zip(names, states, strict=True)),
        dict(zip(buses, there, strict=True)),
        tuple(one for found in differences for one in found),
    )


async def queues(
    service: Service, started_with: str, inspector: Inspector, *, fail_on_dead_letters: bool
) -> list[Finding]:
    """Topology, dead letters and consumers of one service."""
    found = await seen(service.topology, inspector)
    return [
        *topology(service, found, inspector.virtual_host),
        *dead_letters(service, found, fail=fail_on_dead_letters),
        *consumers(service, found, started_with),
    ]


def topology(service: Service, found: Seen, virtual_host: str) -> list[Finding]:
    """What is missing, what differs, and what is worth a word."""
    wrong = [
        *_missing(service, found.missing),
        *(_different(service.name, one, virtual_host) for one in found.differences),
    ]
    total = len(found.queues) + len(found.exchanges)
    ok = Finding(TOPOLOGY, service.name, "ok", f"all {total} queues and exchanges are as declared")
    return [*(wrong or [ok]), *_worth_a_word(service)]


def _missing(service: Service, missing: list[str]) -> Iterator[Finding]:
    if not missing:
        return
    named = ", ".join(missing)
    if service.settings.topology == "declare":
        sentence = f"not there yet, the service declares it when it starts: {named}"
        yield Finding(TOPOLOGY, service.name, "note", sentence)
        return
    sentence = f"missing, and TOOLKIT_TOPOLOGY={service.settings.topology} makes nothing: {named}"
    fix = "create it, or start the service once with TOOLKIT_TOPOLOGY=declare"
    yield Finding(TOPOLOGY, service.name, "wrong", sentence, fix)


def _different(service: str, one: Difference, virtual_host: str) -> Finding:
    otherwise = "or declare what the broker has, or choose another name"
    if one.kind == "queue":
        where = f"-p {shlex.quote(virtual_host)} {shlex.quote(one.name)}"
        fix = f"`rabbitmqctl delete_queue {where} --if-empty`, once it is empty; {otherwise}"
    else:
        fix = f"delete it (`rabbitmqadmin delete exchange name={one.name}`); {otherwise}"
    return Finding(TOPOLOGY, service, "wrong", str(one), fix)


def _worth_a_word(service: Service) -> Iterator[Finding]:
    for subscription in service.subscriptions:
        if subscription.options.type == "classic":
            sentence = (
                f"'{subscription.queue}' is a classic queue: it is lost with its node, and a "
                "message that kills its process comes back for ever"
            )
            yield Finding(TOPOLOGY, service.name, "note", sentence, "make it a quorum queue")
        elif subscription.options.delivery_limit == UNLIMITED:
            sentence = (
                f"'{subscription.queue}' has no delivery limit: nothing stands behind the crash "
                "budget of TOOLKIT_CRASH_BUDGET"
            )
            yield Finding(TOPOLOGY, service.name, "note", sentence, "leave it at 20")


def dead_letters(service: Service, found: Seen, *, fail: bool) -> Iterator[Finding]:
    """What waits for somebody to look at it: it doesn't come back by itself."""
    waiting = [one for one in _given_up(service, found) if one.messages]
    status: Status = "wrong" if fail else "note"
    for one in waiting:
        yield Finding(DEAD_LETTERS, one.queue, status, f"{one.messages} {one.what}", one.fix)
    if service.subscriptions and not waiting:
        yield Finding(DEAD_LETTERS, service.name, "ok", "none waits")


@dataclass(frozen=True, slots=True)
class _GivenUp:
    queue: str
    what: str
    fix: str
    messages: int


def _given_up(service: Service, found: Seen) -> Iterator[_GivenUp]:
    def of(queue: str, what: str, fix: str) -> _GivenUp:
        state = found.queues.get(queue)
        return _GivenUp(queue, what, fix, state.messages if state else 0)

    for subscription in service.subscriptions:
        yield of(
            subscription.dead_letter_queue,
            f"given up by {subscription.consumer}",
            "their headers `dead-reason` and `error-message` say why; mend that, and send them to "
            f"'{subscription.queue}' again",
        )
    yield of(
        naming.parked_queue(service.name),
        "parked: the queue that they came from went while they waited for their next try",
        "their routing key is that queue; make it again, and send them there",
    )
    yield of(
        naming.suspects_queue(service.name),
        "set aside: their process died under them, and they wait to run alone",
        f"start '{service.name}': it takes them one at a time; its log says which one kills it",
    )


def consumers(service: Service, found: Seen, started_with: str) -> Iterator[Finding]:
    """Whether somebody is there for each queue."""
    for subscription in service.subscriptions:
        state = found.queues.get(subscription.queue)
        if state is not None:
            yield _consumed(subscription, state, started_with)


def _consumed(subscription: Subscription, state: QueueState, started_with: str) -> Finding:
    queue = subscription.queue
    if state.consumers:
        sentence = f"{state.consumers} registered, {state.messages} messages ready"
        return Finding(CONSUMERS, queue, "ok", sentence)
    fix = f"`toolkit run {started_with}`; if it runs, its kill switch may have tripped: see its log"
    if state.messages:
        sentence = f"nobody consumes it, and {state.messages} messages wait"
        return Finding(CONSUMERS, queue, "wrong", sentence, fix)
    return Finding(CONSUMERS, queue, "note", "nobody consumes it, and nothing waits", fix)
