"""The queues and exchanges of a service: there or not, as declared or not, consumed or not.

Receives a service and an inspector, hands findings.
"""

import asyncio
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from toolkit.errors import ConnectionLostError, Difference, TransportError
from toolkit.operations.doctor.finding import Finding, Status
from toolkit.service import Service
from toolkit.topology import naming
from toolkit.topology.declarations import UNLIMITED, Exchange, Queue, Topology
from toolkit.topology.plan import Subscription
from toolkit.transport.rabbitmq.inspector import Inspector, QueueState

TOPOLOGY, DEAD_LETTERS, CONSUMERS = "topology", "dead letters", "consumers"

_A_FEW = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there of a service's topology."""

    queues: Mapping[str, QueueState | TransportError | None]
    """The error is the broker's, about a queue that is there and can't be used."""
    exchanges: Mapping[str, bool]
    differences: tuple[Difference, ...]
    uncompared: tuple[str, ...] = ()
    """What is there, but the broker doesn't say how."""

    def state(self, queue: str) -> QueueState | None:
        """How it stands, where that is known."""
        state = self.queues.get(queue)
        return state if isinstance(state, QueueState) else None

    @property
    def out_of_reach(self) -> dict[str, TransportError]:
        """Such as a queue whose node is down."""
        return {n: state for n, state in self.queues.items() if isinstance(state, TransportError)}

    @property
    def missing(self) -> list[str]:
        """As people read it."""
        exchanges = [f"exchange '{name}'" for name, there in self.exchanges.items() if not there]
        return [*exchanges, *(f"queue '{n}'" for n, state in self.queues.items() if state is None)]


async def seen(topology: Topology, inspector: Inspector) -> Seen:
    """All of it, side by side."""
    names = [queue.name for queue in topology.queues]
    buses = [exchange.name for exchange in topology.exchanges]
    parts: list[Exchange | Queue] = [*topology.exchanges, *topology.queues]
    states, there, compared = await asyncio.gather(
        asyncio.gather(*(_state(name, inspector) for name in names)),
        asyncio.gather(*map(inspector.has_exchange, buses)),
        asyncio.gather(*map(inspector.compare, parts)),
    )
    return Seen(
        dict(zip(names, states, strict=True)),
        dict(zip(buses, there, strict=True)),
        tuple(one for found in compared for one in found.differences),
        tuple(
            part.name
            for part, found in zip(parts, compared, strict=True)
            if found.refusals or found.problems
        ),
    )


async def _state(name: str, inspector: Inspector) -> QueueState | TransportError | None:
    try:
        return await inspector.queue(name)
    except ConnectionLostError:
        raise  # that says nothing of this queue
    except TransportError as error:
        return error


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
    notable = [
        *_missing(service, found.missing),
        *(_out_of_reach(service.name, name, one) for name, one in found.out_of_reach.items()),
        *_different(service.name, found.differences, virtual_host),
    ]
    if found.uncompared:
        named = ", ".join(dict.fromkeys(found.uncompared))
        reason = f"not compared, which takes `configure` on them: {named}"
        notable.append(Finding(TOPOLOGY, service.name, "unknown", reason))
    total = len(found.queues) + len(found.exchanges)
    ok = Finding(TOPOLOGY, service.name, "ok", f"all {total} queues and exchanges are as declared")
    return [*(notable or [ok]), *_worth_a_word(service)]


def _missing(service: Service, missing: list[str]) -> Iterator[Finding]:
    if not missing:
        return
    if service.settings.topology == "declare":
        few = ", ".join(missing[:_A_FEW])
        more = len(missing) - _A_FEW
        named = f"{few} and {more} more" if more > 0 else few
        sentence = f"not there yet, the service declares them when it starts: {named}"
        yield Finding(TOPOLOGY, service.name, "note", sentence)
        return
    named = ", ".join(missing)
    sentence = f"missing, and TOOLKIT_TOPOLOGY={service.settings.topology} makes nothing: {named}"
    fix = "create it, or start the service once with TOOLKIT_TOPOLOGY=declare"
    yield Finding(TOPOLOGY, service.name, "wrong", sentence, fix)


def _out_of_reach(service: str, name: str, error: TransportError) -> Finding:
    sentence = f"queue '{name}' is there and can't be used: {error}"
    fix = "`rabbitmqctl cluster_status` says which nodes are down; its node has to come back"
    return Finding(TOPOLOGY, service, "wrong", sentence, fix)


def _different(
    service: str, differences: Sequence[Difference], virtual_host: str
) -> Iterator[Finding]:
    """One finding for each thing, with all of its arguments that differ."""
    for (kind, name), found in groupby(differences, key=lambda one: (one.kind, one.name)):
        thing = f"{kind} '{name}': "
        said = "; ".join(str(one).removeprefix(thing) for one in found)
        mended = _mended(kind, name, virtual_host)
        yield Finding(TOPOLOGY, service, "wrong", thing + said, mended)


def _mended(kind: str, name: str, virtual_host: str) -> str:
    """Arguments can't be changed: it takes another thing, or another declaration."""
    otherwise = "or declare what the broker has, or choose another name"
    if kind == "queue":
        command = f"toolkit topology migrate {shlex.quote(name)}"
        return f"`{command}`, while those that run go on; {otherwise}"
    where = shlex.quote(virtual_host)
    command = f"rabbitmqadmin --vhost={where} delete exchange name={shlex.quote(name)}"
    return f"`{command}`, which takes its bindings along, and start all that use it; {otherwise}"


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
        state = found.state(queue)
        return _GivenUp(queue, what, fix, state.messages if state else 0)

    for subscription in service.subscriptions:
        yield of(
            subscription.dead_letter_queue,
            f"given up by {subscription.consumer}",
            "`toolkit dead groups` says why; mend that, and `toolkit dead replay` sends them to "
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
        state = found.state(subscription.queue)
        if state is not None:
            yield _consumed(subscription, state, started_with)


def _consumed(subscription: Subscription, state: QueueState, started_with: str) -> Finding:
    queue = subscription.queue
    if state.consumers:
        sentence = f"consumers: {state.consumers}, messages that wait: {state.messages}"
        return Finding(CONSUMERS, queue, "ok", sentence)
    fix = f"`toolkit run {started_with}`; if it runs, its kill switch may have tripped: see its log"
    if state.messages:
        sentence = f"nobody consumes it; messages that wait: {state.messages}"
        return Finding(CONSUMERS, queue, "wrong", sentence, fix)
    return Finding(CONSUMERS, queue, "note", "nobody consumes it, and nothing waits", fix)
