"""How connections and consumers stand, as frozen facts.

Made by the adapters when something happens, handed through the port to whoever reports on a
service. Looking at one asks no broker, and may be done from any thread.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self


class ConnectionState(StrEnum):
    """Where a connection stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    BLOCKED = "blocked"
    """Up, but the broker takes no messages: an alarm for memory or disk."""
    CLOSING = "closing"


class ConsumerState(StrEnum):
    """Where the consumer of a queue stands."""

    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    DRIFTED = "drifted"
    """Registered, but the broker holds its queue with other arguments than were declared. That is
    looked for when a connection or a consumer comes back."""
    SUSPENDED = "suspended"
    """Its kill switch has tripped: it takes no messages, or just one to probe."""


_DOWN = frozenset({ConnectionState.DISCONNECTED, ConnectionState.CONNECTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCondition:
    """How a connection stands, `since` when, and why; `purpose` is what it is for."""

    purpose: str
    state: ConnectionState = ConnectionState.DISCONNECTED
    since: datetime
    reason: str | None = None

    @property
    def is_connected(self) -> bool:
        """Whether it is up, and the broker takes what is sent over it."""
        return self.state is ConnectionState.CONNECTED

    def become(self, state: ConnectionState, *, at: datetime, reason: str | None = None) -> Self:
        """The condition after a change. One that tries to come up is still down, since when it went
        down, and for the last reason known.
        """
        if {self.state, state} <= _DOWN:
            return replace(self, state=state, reason=reason or self.reason)
        since = self.since if state is self.state else at
        return replace(self, state=state, since=since, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerCondition:
    """How the consumer of a queue stands, `since` when, and why."""

    queue: str
    state: ConsumerState = ConsumerState.UNREGISTERED
    since: datetime
    reason: str | None = None

    @property
    def is_registered(self) -> bool:
        """Whether the broker knows it."""
        return self.state is not ConsumerState.UNREGISTERED

    def become(self, state: ConsumerState, *, at: datetime, reason: str | None = None) -> Self:
        """The condition after a change; the same state again only brings its reason up to date."""
        since = self.since if state is self.state else at
        return replace(self, state=state, since=since, reason=reason)

    def register(self, drift: str | None, *, at: datetime) -> Self:
        """The condition of one that the broker knows; `drift` is how its queue differs."""
        state = ConsumerState.DRIFTED if drift else ConsumerState.REGISTERED
        return self.become(state, at=at, reason=drift)
