"""Since when, and why, over all changes of a connection and a consumer."""

from datetime import UTC, datetime, timedelta

import pytest

from toolkit.transport.condition import (
    ConnectionCondition,
    ConnectionState,
    ConsumerCondition,
    ConsumerState,
)

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = THEN + timedelta(seconds=20)
UP = ConnectionCondition(purpose="publish", state=ConnectionState.CONNECTED, since=THEN)


def test_a_connection_is_down_since_it_went_down_however_often_it_tries() -> None:
    """Trying is no change; the last reason known is kept, or replaced by a newer one."""
    lost = UP.become(ConnectionState.DISCONNECTED, at=LATER, reason="no goodbye")
    trying = lost.become(ConnectionState.CONNECTING, at=LATER + timedelta(minutes=1))
    refused = trying.become(ConnectionState.CONNECTING, at=THEN, reason="refused")
    assert (lost.since, trying.since, refused.since) == (LATER, LATER, LATER)
    assert (trying.reason, refused.reason) == ("no goodbye", "refused")
    assert not trying.is_connected


@pytest.mark.parametrize("state", [ConnectionState.BLOCKED, ConnectionState.CLOSING])
def test_another_state_begins_when_it_begins(state: ConnectionState) -> None:
    """And takes no reason along from the one before."""
    down = UP.become(ConnectionState.DISCONNECTED, at=THEN, reason="no goodbye")
    changed = down.become(state, at=LATER)
    assert (changed.since, changed.reason) == (LATER, None)
    assert not changed.is_connected


def test_a_connection_that_is_back_has_no_reason() -> None:
    """Since when it is back."""
    down = UP.become(ConnectionState.CONNECTING, at=THEN, reason="refused")
    back = down.become(ConnectionState.CONNECTED, at=LATER)
    assert back == ConnectionCondition(
        purpose="publish", state=ConnectionState.CONNECTED, since=LATER
    )


def test_a_consumer_is_missing_since_it_was_lost_and_for_the_last_reason() -> None:
    """However often it is refused meanwhile."""
    lost = ConsumerCondition(queue="shop.take", since=THEN, reason="cancelled")
    refused = lost.become(ConsumerState.UNREGISTERED, at=LATER, reason="no such queue")
    assert (refused.since, refused.reason) == (THEN, "no such queue")
    assert not refused.is_registered


def test_a_consumer_of_a_drifted_queue_is_registered() -> None:
    """It takes messages; that state begins when the difference is found."""
    well = ConsumerCondition(queue="shop.take", state=ConsumerState.REGISTERED, since=THEN)
    drifted = well.become(ConsumerState.DRIFTED, at=LATER, reason="x-max-length")
    assert drifted.is_registered
    assert drifted.since == LATER
