"""Hooks hear of what they asked for, and one that fails hurts nobody."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from toolkit.messages.envelope import Envelope
from toolkit.observability.events import (
    Failed,
    Handled,
    MessageEvent,
    MessageFacts,
    NobodyListens,
    Observation,
    RetryScheduled,
)
from toolkit.observability.hooks import Hooks

FACTS: MessageFacts = {
    "consumer": "Ship",
    "queue": "shop.ship",
    "message_id": "m",
    "correlation_id": "c",
    "type": "orders.placed",
    "attempt": 1,
    "envelope": Envelope(b"{}"),
}
HANDLED = Handled(**FACTS, seconds=0.1)
FAILED = Failed(**FACTS, error=ValueError())
LATER = RetryScheduled(**FACTS, delay=timedelta(seconds=1), error=None)
LONELY = NobodyListens(type="orders.placed", exchange="events", routing_key="orders.placed")
ALL = (HANDLED, FAILED, LATER, LONELY)


@pytest.mark.parametrize(
    ("kinds", "heard"),
    [
        ((Failed,), [FAILED]),
        ((Failed, NobodyListens), [FAILED, LONELY]),
        ((MessageEvent,), [HANDLED, FAILED, LATER]),
        ((object,), list(ALL)),
        ((), []),
    ],
)
def test_a_hook_hears_of_the_types_it_asked_for(
    kinds: tuple[type, ...], heard: list[Observation]
) -> None:
    """A base stands for all its kinds."""
    seen: list[Observation] = []
    hooks = Hooks()
    hooks.add(seen.append, *kinds)
    for event in ALL:
        hooks.emit(event)
    assert seen == heard


def test_what_nobody_asked_for_can_be_left_out() -> None:
    """Whoever would make an event for each message asks once, at start-up."""
    hooks = Hooks()
    assert not hooks.wants(Handled)
    hooks.add(print, Failed)
    assert (hooks.wants(Handled), hooks.wants(Failed)) == (False, True)
    hooks.add(print, MessageEvent)
    assert hooks.wants(Handled)


def test_a_hook_that_fails_is_logged_and_the_others_hear_all_the_same() -> None:
    """Counting messages must not lose them."""
    seen: list[Observation] = []

    def broken(event: Observation) -> None:
        raise RuntimeError("the metrics server is away")

    hooks = Hooks()
    hooks.add(broken, Failed)
    hooks.add(seen.append, Failed)
    with capture_logs() as logs:
        hooks.emit(FAILED)
    assert seen == [FAILED]
    (line,) = logs
    assert (line["event"], line["event_type"], line["log_level"]) == (
        "a hook failed",
        "Failed",
        "error",
    )


def test_an_event_can_not_be_changed() -> None:
    """One hook can't alter what the next one sees."""
    with pytest.raises(AttributeError):
        HANDLED.seconds = 5.0  # type: ignore[misc]
