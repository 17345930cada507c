"""Three answers about a process, from the facts of its services.

Receives conditions and what the watchdog saw, hands the app what to say; asks nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from toolkit.observability.logging import without_passwords
from toolkit.service.condition import ServiceCondition, ServiceState
from toolkit.transport.condition import ConsumerState

Kind = Literal["service", "connection", "consumer", "event loop"]

_STARTED = frozenset({ServiceState.RUNNING, ServiceState.STOPPING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """An event loop that stands still, since when, and the line of code that it is at."""

    since: datetime
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be.

    A connection is named by its purpose, a consumer by its queue.
    """

    service: str | None
    kind: Kind
    name: str
    state: str
    since: datetime
    reason: str | None = None
    is_deliberate: bool = False
    """Whether the service does it on purpose, for a while: it is degraded then, and available."""


@dataclass(frozen=True, slots=True)
class Report:
    """An answer: good if nothing is wrong but what is deliberate."""

    problems: tuple[Problem, ...]

    @property
    def is_good(self) -> bool:
        """Whether it is."""
        return all(problem.is_deliberate for problem in self.problems)

    @property
    def status(self) -> Literal["ok", "degraded", "unavailable"]:
        """In a word."""
        if not self.is_good:
            return "unavailable"
        return "degraded" if self.problems else "ok"

    @property
    def content(self) -> dict[str, object]:
        """What JSON says of it; a moment is in ISO 8601, a password nowhere."""
        return {
            "status": self.status,
            "problems": [_content_of(problem) for problem in self.problems],
        }


def liveness(stall: Stall | None) -> Report:
    """Good while the event loop turns; whoever only waits for a broker is alive."""
    return Report(() if stall is None else (_standing_still(stall),))


def readiness(services: Sequence[ServiceCondition], stall: Stall | None = None) -> Report:
    """Good while all services run, each consumer is registered and publishing is possible; only
    degraded while a kill switch suspends a consumer.
    """
    stalled = liveness(stall).problems
    return Report((*stalled, *(problem for each in services for problem in _missing(each))))


def startup(services: Sequence[ServiceCondition]) -> Report:
    """Good once all services have started, whatever has become of them since."""
    late = [each for each in services if each.state not in _STARTED]
    return Report(tuple(problem for each in late for problem in _missing(each)))


def _missing(service: ServiceCondition) -> Iterator[Problem]:
    if service.state is not ServiceState.RUNNING:
        yield _of_service(service)
    for connection in service.connections:
        if not connection.is_connected:
            yield Problem(
                service=service.service,
                kind="connection",
                name=connection.purpose,
                state=connection.state,
                since=connection.since,
                reason=connection.reason,
            )
    for consumer in service.consumers:
        if consumer.state is not ConsumerState.REGISTERED:
            yield Problem(
                service=service.service,
                kind="consumer",
                name=consumer.queue,
                state=consumer.state,
                since=consumer.since,
                reason=consumer.reason,
                is_deliberate=consumer.state is ConsumerState.SUSPENDED,
            )


def _of_service(service: ServiceCondition) -> Problem:
    return Problem(
        service=service.service,
        kind="service",
        name=service.service,
        state=service.state,
        since=service.since,
    )


def _standing_still(stall: Stall) -> Problem:
    return Problem(
        service=None,
        kind="event loop",
        name="main",
        state="standing still",
        since=stall.since,
        reason=f"at {stall.place}",
    )


def _content_of(problem: Problem) -> dict[str, str | None]:
    return {
        "service": problem.service,
        "kind": problem.kind,
        "name": problem.name,
        "state": problem.state,
        "since": problem.since.isoformat(timespec="milliseconds"),
        "reason": problem.reason and without_passwords(problem.reason),
    }
