"""What a handler raises on purpose carries what it says."""

from datetime import timedelta

import pytest

from toolkit import Discard, Reject, RetryAfter, ToolkitError


def test_a_verdict_says_why() -> None:
    """The reason is the error's text, so it reads well in logs and dead letters."""
    assert str(Reject("no such customer")) == Reject("no such customer").reason
    assert str(Discard("seen before")) == Discard("seen before").reason
    assert str(RetryAfter("30s", "the bank is closed")) == "the bank is closed"


def test_a_later_try_without_a_reason_says_when() -> None:
    """Something must stand in the log."""
    verdict = RetryAfter("90s")
    assert verdict.delay == timedelta(seconds=90)
    assert str(verdict) == "asked to be tried again after 1m30s"


def test_a_delay_that_is_none_is_refused_where_it_is_written() -> None:
    """The handler's line is in the traceback."""
    with pytest.raises(ValueError, match="'soon' is not a duration"):
        RetryAfter("soon")


@pytest.mark.parametrize("verdict", [Reject("no"), Discard("no"), RetryAfter("1s")])
def test_verdicts_are_errors_of_the_toolkit(verdict: Exception) -> None:
    """Whoever catches `ToolkitError` in a handler catches them as well, and should know."""
    assert isinstance(verdict, ToolkitError)
