"""Three answers, from facts alone."""

from datetime import UTC, datetime

import pytest

from toolkit.health.report import Report, Stall, liveness, readiness, startup
from toolkit.service.condition import ServiceCondition, ServiceState
from toolkit.transport.condition import (
    ConnectionCondition,
    ConnectionState,
    ConsumerCondition,
    ConsumerState,
)

THEN = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
STALL = Stall(since=THEN, place="shop/consumers.py:12, in Pack.handle")


def connection(
    state: ConnectionState = ConnectionState.CONNECTED, reason: str | None = None
) -> ConnectionCondition:
    return ConnectionCondition(purpose="publish", state=state, since=THEN, reason=reason)


def consumer(
    state: ConsumerState = ConsumerState.REGISTERED, queue: str = "shop.pack"
) -> ConsumerCondition:
    return ConsumerCondition(queue=queue, state=state, since=THEN)


def shop(
    *consumers: ConsumerCondition,
    state: ServiceState = ServiceState.RUNNING,
    publish: ConnectionCondition | None = None,
) -> ServiceCondition:
    return ServiceCondition(
        service="shop",
        state=state,
        since=THEN,
        connections=(publish or connection(),),
        consumers=consumers,
    )


def named(report: Report) -> list[tuple[str, str, str]]:
    return [(problem.kind, problem.name, problem.state) for problem in report.problems]


def test_a_service_that_runs_with_all_it_needs_is_ready() -> None:
    """And alive, and has started; nothing is listed."""
    running = [shop(consumer())]
    for report in (readiness(running), startup(running), liveness(None)):
        assert report.is_good
        assert report.content == {"status": "ok", "problems": []}


@pytest.mark.parametrize("state", [s for s in ConnectionState if s != ConnectionState.CONNECTED])
def test_a_connection_that_can_not_be_used_is_named(state: ConnectionState) -> None:
    """In every state but one; the service has started all the same."""
    services = [shop(consumer(), publish=connection(state))]
    assert named(readiness(services)) == [("connection", "publish", str(state))]
    assert startup(services).is_good


@pytest.mark.parametrize("state", [s for s in ConsumerState if s != ConsumerState.REGISTERED])
def test_a_consumer_that_is_not_as_it_should_be_is_named_and_no_other(state: ConsumerState) -> None:
    """By its queue."""
    services = [shop(consumer(), consumer(state, "shop.ship"))]
    assert named(readiness(services)) == [("consumer", "shop.ship", str(state))]


@pytest.mark.parametrize(
    ("state", "has_started"),
    [
        (ServiceState.STOPPED, False),
        (ServiceState.STARTING, False),
        (ServiceState.STOPPING, True),
    ],
)
def test_a_service_that_does_not_run_is_not_ready(
    state: ServiceState, *, has_started: bool
) -> None:
    """Also when everything is still there; one that stops has started."""
    services = [shop(), shop(consumer(), state=state)]
    assert named(readiness(services)) == [("service", "shop", str(state))]
    assert startup(services).is_good is has_started


def test_an_event_loop_that_stands_still_is_neither_alive_nor_ready() -> None:
    """With the line of code that it is at."""
    alive, ready = liveness(STALL), readiness([shop(consumer())], STALL)
    assert named(alive) == named(ready) == [("event loop", "main", "standing still")]
    assert "shop/consumers.py:12" in str(alive.content)


def test_an_answer_says_what_is_missing_since_when_and_why_without_a_password() -> None:
    """As plain values that JSON knows."""
    lost = connection(ConnectionState.CONNECTING, "amqp://ada:hunter2@rabbit/ can't be reached")
    assert readiness([shop(consumer(), publish=lost)]).content == {
        "status": "unavailable",
        "problems": [
            {
                "service": "shop",
                "kind": "connection",
                "name": "publish",
                "state": "connecting",
                "since": "2026-01-01T12:30:00.000+00:00",
                "reason": "amqp://ada:***@rabbit/ can't be reached",
            }
        ],
    }
