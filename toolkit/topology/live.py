"""What a broker holds, as frozen values.

Receives what the management API says, hands it to whoever compares it with what is declared, or
changes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.topology.declarations import Binding


@dataclass(frozen=True, slots=True)
class Bound:
    """What an exchange sends to a queue that is known from elsewhere."""

    exchange: str
    routing_key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        key = f" with key '{self.routing_key}'" if self.routing_key else ""
        return f"exchange '{self.exchange}'{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQueue:
    """A queue as it is. `unacked` and `size` (bytes) are as old as the broker's statistics, as a
    rule up to ten seconds.
    """

    name: str
    type: str = "quorum"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_durable: bool = True
    is_exclusive: bool = False
    ready: int = 0
    unacked: int = 0
    size: int = 0
    consumers: int = 0

    @property
    def all_arguments(self) -> dict[str, Any]:
        """With its type, which need not be among its arguments."""
        return {"x-queue-type": self.type, **self.arguments}

    @property
    def content(self) -> str:
        """For people."""
        messages = f"{self.ready} message{'' if self.ready == 1 else 's'}"
        held = f", {self.unacked} held by consumers" if self.unacked else ""
        return f"{messages}{held}, {self.consumers} consumer{'' if self.consumers == 1 else 's'}"

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing in it, and nobody takes from it."""
        return not (self.ready or self.unacked or self.consumers)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveExchange:
    """An exchange as it is."""

    name: str
    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_durable: bool = True


@dataclass(frozen=True, slots=True)
class Live:
    """One virtual host. `bindings` are those of queues, by the queue's name, without the one that
    every queue has with the default exchange.
    """

    queues: Mapping[str, LiveQueue] = field(default_factory=dict)
    exchanges: Mapping[str, LiveExchange] = field(default_factory=dict)
    bindings: Mapping[str, tuple[Bound, ...]] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()
    """Exchanges from which something is bound, exchanges included."""

    def bounds(self, queue: str) -> tuple[Bound, ...]:
        """What is bound to a queue."""
        return self.bindings.get(queue, ())

    def has(self, binding: Binding) -> bool:
        """Whether a declared binding is there."""
        return Bound(binding.exchange, binding.routing_key) in self.bounds(binding.queue)
