"""Applies a topology to the broker, and reports every difference at once.

Receives a `Topology`, hands nothing back or raises one `TopologyError` with all it found.
"""

from toolkit.errors import Difference
from toolkit.topology.declarations import Exchange, Queue, Topology, TopologyMode
from toolkit.topology.drift import Findings
from toolkit.transport.memory.argument import differences
from toolkit.transport.memory.broker import MemoryBroker
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.memory.routing import Destination


def apply(
    broker: MemoryBroker, topology: Topology, mode: TopologyMode, *, all_or_nothing: bool = True
) -> None:
    """Makes sure of the topology.

    "declare" creates what is missing, and with `all_or_nothing` nothing where anything differs;
    "check" only looks; "off" does nothing. Raises `TopologyError` with every difference.
    """
    if mode == "off":
        return
    findings = Findings()
    missing = [part for part in _parts(topology) if not _compare(part, broker, findings)]
    if mode == "check":
        for part in missing:
            findings.add_missing(_kind(part), part.name)
    if all_or_nothing:
        findings.raise_if_any()
    if mode == "declare":
        for part in missing:
            _create(part, broker, findings)
        if all_or_nothing:
            findings.raise_if_any()
        _bind(topology, broker, findings)
    findings.raise_if_any()


def _parts(topology: Topology) -> tuple[Exchange | Queue, ...]:
    return (*topology.exchanges, *topology.queues)


def _kind(part: Exchange | Queue) -> str:
    return "exchange" if isinstance(part, Exchange) else "queue"


def _compare(part: Exchange | Queue, broker: MemoryBroker, findings: Findings) -> bool:
    """Whether it exists; how it differs is found."""
    if isinstance(part, Exchange):
        exchange = broker.exchanges.get(part.name)
        if exchange is None:
            return False
        pairs = exchange.differences(part.type, alternate=part.alternate)
    else:
        queue = broker.queues.get(part.name)
        if queue is None:
            return False
        try:
            wanted = broker.settings_of(part.name, part.arguments(broker.version))
        except Refusal as refusal:
            findings.problems.append(f"declaring queue '{part.name}' failed: {refusal}")
            return True
        pairs = differences(queue.settings, wanted)
    findings.differences += [
        Difference(_kind(part), part.name, argument, wants, has) for argument, wants, has in pairs
    ]
    return True


def _create(part: Exchange | Queue, broker: MemoryBroker, findings: Findings) -> None:
    try:
        if isinstance(part, Exchange):
            broker.declare_exchange(part.name, part.type, arguments=part.arguments)
        else:
            broker.declare_queue(part.name, arguments=part.arguments(broker.version))
    except Refusal as refusal:
        findings.problems.append(f"declaring {_kind(part)} '{part.name}' failed: {refusal}")


def _bind(topology: Topology, broker: MemoryBroker, findings: Findings) -> None:
    for binding in topology.bindings:
        try:
            broker.bind(binding.exchange, Destination("queue", binding.queue), binding.routing_key)
        except Refusal as refusal:
            findings.problems.append(
                f"binding queue '{binding.queue}' to exchange '{binding.exchange}' failed: "
                f"{refusal}"
            )
