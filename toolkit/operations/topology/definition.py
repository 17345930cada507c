"""Definitions and permissions, for people who deploy topology apart from code.

Receives what services declare, hands documents that `rabbitmqctl import_definitions` takes
(https://www.rabbitmq.com/docs/definitions), and lines for `rabbitmqctl`.
"""

from collections.abc import Iterable
from typing import Any

from toolkit.operations.doctor.permission import consumed_by
from toolkit.operations.topology.declared import Declared
from toolkit.service import Service
from toolkit.topology.declarations import TopologyMode
from toolkit.topology.permission import PERMISSIONS, Need, granting, needs_of, pattern_of

Document = dict[str, Any]


def definitions(declared: Declared, virtual_host: str) -> Document:
    """Everything that is declared, in one virtual host, which is made if it isn't there."""
    topology = declared.topology
    return {
        "vhosts": [{"name": virtual_host}],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": virtual_host,
                "type": exchange.type,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": exchange.arguments,
            }
            for exchange in sorted(topology.exchanges, key=lambda one: one.name)
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": virtual_host,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments(declared.version),
            }
            for queue in sorted(topology.queues, key=lambda one: one.name)
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": virtual_host,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.routing_key,
                "arguments": {},
            }
            for binding in sorted(
                topology.bindings, key=lambda one: (one.exchange, one.queue, one.routing_key)
            )
        ],
    }


def needs(service: Service, mode: TopologyMode) -> frozenset[Need]:
    """What a service must be allowed if it makes its topology, or leaves that to others."""
    return needs_of(service.topology, consumed_by(service), mode)


def permissions(
    services: Iterable[Service], *, virtual_host: str, user: str | None, mode: TopologyMode
) -> Document:
    """Each service's, for a user of its own name, or all for one user."""
    return {
        "permissions": [
            {
                "user": name,
                "vhost": virtual_host,
                **{one: pattern_of(needed, one) for one in PERMISSIONS},
            }
            for name, needed in _by_user(services, user, mode).items()
        ]
    }


def permission_lines(
    services: Iterable[Service], *, virtual_host: str, user: str | None, mode: TopologyMode
) -> list[str]:
    """The same for a shell."""
    return [
        granting(sorted(needed), virtual_host=virtual_host, user=name)
        for name, needed in _by_user(services, user, mode).items()
    ]


def _by_user(
    services: Iterable[Service], user: str | None, mode: TopologyMode
) -> dict[str, frozenset[Need]]:
    found: dict[str, frozenset[Need]] = {}
    for service in services:
        name = user or service.name
        found[name] = found.get(name, frozenset()) | needs(service, mode)
    return found
