"""How a service stands, as frozen facts.

Put together by the service from what its transport says, handed to whoever reports on it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from toolkit.transport.condition import ConnectionCondition, ConsumerCondition


class ServiceState(StrEnum):
    """Where a service stands between its start and its end."""

    STOPPED = "stopped"
    """Not started yet, or over."""
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCondition:
    """How a service stands, since when, with its connections and one consumer for each queue."""

    service: str
    state: ServiceState
    since: datetime
    connections: tuple[ConnectionCondition, ...] = ()
    consumers: tuple[ConsumerCondition, ...] = ()
