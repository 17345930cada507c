"""What a service must be allowed on the broker, and not more.

Receives a `Topology` and the queues that are consumed, hands needs to whoever asks the broker, and
patterns to whoever grants them.

What RabbitMQ checks (https://www.rabbitmq.com/docs/access-control#authorisation): declaring needs
`configure` on the thing itself; a dead-letter exchange also `read` on the queue and `write` on that
exchange, an alternate exchange likewise; binding needs `write` on the queue and `read` on the
exchange; publishing `write` on the exchange; consuming `read` on the queue.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from toolkit.topology import naming
from toolkit.topology.declarations import Exchange, Queue, Topology, TopologyMode

Permission = Literal["configure", "write", "read"]
Kind = Literal["exchange", "queue"]

PERMISSIONS: tuple[Permission, ...] = ("configure", "write", "read")
"""In the order in which `rabbitmqctl set_permissions` takes them."""

_NOTHING = "^$"
_SPECIAL = re.compile(r"([\\.^$|?*+()\[\]{}])")


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One permission on one thing."""

    permission: Permission
    kind: Kind
    name: str

    @property
    def resource(self) -> str:
        """As the broker's patterns see it: AMQP's nameless exchange has a name there."""
        return self.name or "amq.default"

    def __str__(self) -> str:
        return f"`{self.permission}` on {self.kind} '{self.resource}'"


def needs_of(topology: Topology, consumed: Iterable[str], mode: TopologyMode) -> frozenset[Need]:
    """All that a service with this topology asks of the broker, from its start to its end.

    `consumed` are the queues it takes messages from. Where others make the topology, nothing is
    needed to make it.
    """
    declaring = _to_declare(topology) if mode == "declare" else ()
    return frozenset([*declaring, *_to_work(topology, consumed)])


def _to_declare(topology: Topology) -> Iterator[Need]:
    for exchange in topology.exchanges:
        yield from _to_make_exchange(exchange)
    for queue in topology.queues:
        yield from _to_make_queue(queue)
    for binding in topology.bindings:
        yield Need("write", "queue", binding.queue)
        yield Need("read", "exchange", binding.exchange)


def _to_make_exchange(exchange: Exchange) -> Iterator[Need]:
    yield Need("configure", "exchange", exchange.name)
    if exchange.alternate:
        yield Need("read", "exchange", exchange.name)
        yield Need("write", "exchange", exchange.alternate)


def _to_make_queue(queue: Queue) -> Iterator[Need]:
    yield Need("configure", "queue", queue.name)
    if queue.dead_letter_exchange is not None:
        yield Need("read", "queue", queue.name)
        yield Need("write", "exchange", queue.dead_letter_exchange)


def _to_work(topology: Topology, consumed: Iterable[str]) -> Iterator[Need]:
    """The first start makes sure of `write` on every exchange, so none is left out."""
    for exchange in topology.exchanges:
        yield Need("write", "exchange", exchange.name)
    if topology.queues:  # copies go to queues by their names
        yield Need("write", "exchange", naming.DEFAULT_EXCHANGE)
    for queue in consumed:
        yield Need("read", "queue", queue)


def pattern_of(needs: Iterable[Need], permission: Permission) -> str:
    """The regular expression that grants what is needed of one permission, and nothing else."""
    names = sorted({need.resource for need in needs if need.permission == permission})
    return f"^({'|'.join(map(_escaped, names))})$" if names else _NOTHING


def granting(needs: Iterable[Need], *, virtual_host: str, user: str) -> str:
    """The command line that lets a user do this in a virtual host, and nothing else."""
    needs = tuple(needs)
    patterns = " ".join(f"'{pattern_of(needs, permission)}'" for permission in PERMISSIONS)
    where = f"-p {shlex.quote(virtual_host)} {shlex.quote(user)}"
    return f"rabbitmqctl set_permissions {where} {patterns}"


def _escaped(name: str) -> str:
    return _SPECIAL.sub(r"\\\1", name)
