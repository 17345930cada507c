"""What a broker holds, asked of its management API.

Receives the API, hands one `Live`.
"""

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from toolkit.operations.management import ManagementApi
from toolkit.topology.live import Bound, Live, LiveExchange, LiveQueue


async def live_of(api: ManagementApi) -> Live:
    """Everything in the virtual host. Raises `NoManagementError`."""
    queues = [_queue(one) for one in await api.get(api.path("queues")) or ()]
    exchanges = [_exchange(one) for one in await api.get(api.path("exchanges")) or ()]
    bindings: dict[str, list[Bound]] = defaultdict(list)
    sources = set()
    for one in await api.get(api.path("bindings")) or ():
        sources.add(one["source"])
        if one["destination_type"] == "queue" and one["source"]:
            bindings[one["destination"]].append(_bound(one))
    return Live(
        {queue.name: queue for queue in queues},
        {exchange.name: exchange for exchange in exchanges},
        {queue: tuple(bounds) for queue, bounds in bindings.items()},
        frozenset(sources),
    )


async def queue_of(api: ManagementApi, name: str) -> LiveQueue | None:
    """One queue; None if it isn't there. Raises `NoManagementError`."""
    said = await api.get(api.path("queues", name))
    return None if said is None else _queue(said)


async def bounds_of(api: ManagementApi, queue: str) -> tuple[Bound, ...]:
    """What is bound to a queue, whether that is there or not."""
    said = await api.get(f"{api.path('queues', queue)}/bindings")
    return tuple(_bound(one) for one in said or () if one["source"])


async def has_alarm(api: ManagementApi) -> bool:
    """Whether publishers are blocked, for memory or disk."""
    said = await api.get("/api/health/checks/alarms", else_none=HTTPStatus.SERVICE_UNAVAILABLE)
    return said is None


def _queue(said: Mapping[str, Any]) -> LiveQueue:
    """Statistics are missing from a queue that is new, or whose node is down."""
    return LiveQueue(
        name=said["name"],
        type=said.get("type", "classic"),
        arguments=dict(said.get("arguments") or {}),
        is_durable=said.get("durable", True),
        is_exclusive=bool(said.get("exclusive")) or said.get("owner_pid_details") is not None,
        ready=said.get("messages_ready") or 0,
        unacked=said.get("messages_unacknowledged") or 0,
        size=said.get("message_bytes") or 0,
        consumers=said.get("consumers") or 0,
        policy=dict(said.get("effective_policy_definition") or {}),
    )


def _exchange(said: Mapping[str, Any]) -> LiveExchange:
    return LiveExchange(
        name=said["name"],
        type=said["type"],
        arguments=dict(said.get("arguments") or {}),
        is_durable=said.get("durable", True),
    )


def _bound(said: Mapping[str, Any]) -> Bound:
    return Bound(said["source"], said["routing_key"], dict(said.get("arguments") or {}))
