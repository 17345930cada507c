"""What a broker holds, asked of its management API.

Receives the API, hands one `Live`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from toolkit.operations.management import ManagementApi
from toolkit.topology.live import Bound, Live, LiveExchange, LiveQueue


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator says about queues of certain names."""

    pattern: str
    applies_to: str
    definition: Mapping[str, Any]

    def fits(self, name: str) -> bool:
        """A pattern that only the broker can read is taken to fit."""
        try:
            return re.search(self.pattern, name) is not None
        except re.error:
            return True


async def live_of(api: ManagementApi) -> Live:
    """Everything in the virtual host. Raises `NoManagementError`."""
    queues = [_queue(one) for one in await api.look(api.path("queues")) or ()]
    exchanges = [_exchange(one) for one in await api.look(api.path("exchanges")) or ()]
    bindings: dict[str, list[Bound]] = defaultdict(list)
    sources = set()
    for one in await api.look(api.path("bindings")) or ():
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
    said = await api.look(api.path("queues", name))
    return None if said is None else _queue(said)


async def bounds_of(api: ManagementApi, queue: str) -> tuple[Bound, ...]:
    """What is bound to a queue, whether that is there or not."""
    said = await api.look(f"{api.path('queues', queue)}/bindings")
    return tuple(_bound(one) for one in said or () if one["source"])


async def has_alarm(api: ManagementApi) -> bool:
    """Whether publishers are blocked, for memory or disk."""
    said = await api.look("/api/health/checks/alarms", else_none=HTTPStatus.SERVICE_UNAVAILABLE)
    return said is None


async def has_statistics(api: ManagementApi) -> bool:
    """Whether the broker collects them: without, nothing shows what consumers hold."""
    return not (await api.look("/api/overview") or {}).get("disable_stats", False)


async def policies_of(api: ManagementApi) -> list[Policy]:
    """All policies, operator policies among them; the first that fits counts."""
    kinds = ("policies", "operator-policies")
    said = [one for kind in kinds for one in await api.look(api.path(kind)) or ()]
    said.sort(key=lambda one: -int(one.get("priority") or 0))
    return [Policy(one["pattern"], one["apply-to"], dict(one["definition"])) for one in said]


def policy_for(name: str, kind: str, policies: Iterable[Policy]) -> Mapping[str, Any]:
    """What policies say about a queue of this name and type, be it there or not. Where several
    fit, all of them are taken: which one counts depends on more than we see.
    """
    kinds = ("all", "queues", f"{kind}_queues")
    fitting = [one.definition for one in policies if one.applies_to in kinds and one.fits(name)]
    return {key: value for one in reversed(fitting) for key, value in one.items()}


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
