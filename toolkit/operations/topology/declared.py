"""What services declare, together.

Receives services, hands one topology and whose each thing is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.service import Service
from toolkit.topology import naming
from toolkit.topology.declarations import Queue, Topology, Version


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that these services declare, each thing once."""

    services: tuple[Service, ...]
    topology: Topology
    version: Version
    """Of the broker for which the arguments are."""

    @classmethod
    def of(cls, services: Iterable[Service], version: Version) -> "Declared":
        """Raises `ConfigurationError` where two services contradict each other."""
        services = tuple(services)
        topology = Topology.of(part for service in services for part in service.topology)
        return cls(services, topology, version)

    def queue(self, name: str) -> Queue | None:
        """The declared queue of this name."""
        return next((queue for queue in self.topology.queues if queue.name == name), None)

    @property
    def names(self) -> frozenset[str]:
        """Queues and exchanges."""
        queues = (queue.name for queue in self.topology.queues)
        exchanges = (exchange.name for exchange in self.topology.exchanges)
        return frozenset((*queues, *exchanges))

    def owner(self, name: str) -> str | None:
        """The service to which something belongs by its name."""
        return next((s.name for s in self.services if naming.belongs_to(s.name, name)), None)

    def consumed(self) -> tuple[str, ...]:
        """Queues from which services take messages."""
        return tuple(one.queue for service in self.services for one in service.subscriptions)

    def feeders(self, name: str) -> tuple[Queue, ...]:
        """Queues whose messages come to this one by its name, which no unbinding stops."""
        suspects = {naming.suspects_queue(service.name) for service in self.services}
        if name in suspects:
            return tuple(q for q in self.topology.queues if q.name in self.consumed())
        return tuple(
            queue
            for queue in self.topology.queues
            if queue.dead_letter_exchange == naming.DEFAULT_EXCHANGE
            and queue.dead_letter_routing_key == name
        )
