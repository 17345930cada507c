"""Durations are written as people write them, and nothing else is taken for one."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.policies.duration import format_duration, parse_duration, parse_optional

LONGEST = timedelta(days=24)
durations = st.integers(0, round(LONGEST / timedelta(milliseconds=1))).map(
    lambda milliseconds: timedelta(milliseconds=milliseconds)
)


@given(durations)
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    """Reading undoes writing, to the millisecond."""
    assert parse_duration(format_duration(duration)) == duration


@given(st.timedeltas(timedelta(0), LONGEST))
def test_no_two_durations_that_are_taken_are_written_alike(duration: timedelta) -> None:
    """A duration's text names a queue, so what is taken must be what the text says."""
    taken = parse_duration(duration)
    assert parse_duration(format_duration(taken)) == taken
    assert abs(taken - duration) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("90s", timedelta(seconds=90)),
        ("1m30s", timedelta(seconds=90)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        (" 5m ", timedelta(minutes=5)),
        ("0s", timedelta(0)),
        ("24d", LONGEST),
    ],
)
def test_a_number_with_a_unit_is_a_duration(text: str, duration: timedelta) -> None:
    """Milliseconds to days, alone or together."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(milliseconds=1500), "1s500ms"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=24), "1d"),
    ],
)
def test_the_largest_units_come_first(duration: timedelta, text: str) -> None:
    """One way to write each duration."""
    assert format_duration(duration) == text


BAD = ["", " ", "5", "s", "-1s", "+1s", "1.5s", "5 s", "5S", "5min", "1s;2s", "1e3s", "٣s", "1s\0"]


@pytest.mark.parametrize("text", [*BAD, 5, 1.5, None, ["1s"]])
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    """The sentence repeats what was written and shows what could be."""
    with pytest.raises(ValueError, match=r"is not a duration; .* '30s'") as caught:
        parse_duration(text)  # type: ignore[arg-type]
    assert repr(text) in str(caught.value)


TOO_LONG = ["25d", "24d1ms", "9999999999d", "9" * 17 + "d", "9" * 5_000 + "s", "999999999d" * 2]


@pytest.mark.parametrize("text", TOO_LONG, ids=lambda text: text[:12])
def test_what_a_broker_could_not_wait_for_is_refused(text: str) -> None:
    """However large the number is, it is a `ValueError`."""
    with pytest.raises(ValueError, match=r"not between 0 and 24d|far too long"):
        parse_duration(text)


@pytest.mark.parametrize("duration", [timedelta(microseconds=-1), timedelta(days=25)])
def test_a_timedelta_has_the_same_limits(duration: timedelta) -> None:
    """Zero to 24 days."""
    with pytest.raises(ValueError, match="not between 0 and 24d"):
        parse_duration(duration)


@given(st.text())
def test_no_text_makes_it_raise_anything_but_a_value_error(text: str) -> None:
    """Settings and declarations rely on that."""
    try:
        assert timedelta(0) <= parse_duration(text) <= LONGEST
    except ValueError:
        pass


def test_what_may_be_left_out_is_none() -> None:
    """And what is not left out is read as ever."""
    assert parse_optional(None) is None
    assert parse_optional("1s") == timedelta(seconds=1)
