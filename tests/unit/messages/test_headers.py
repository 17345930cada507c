"""Headers come from strangers: whatever they hold, reading them gives sense or nothing."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.amqp import header_tables, header_values
from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.wire import UnreadableError, encode_properties

_OUR_NAMES = {
    value
    for name, value in vars(wire).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
}
_THE_BROKERS = {wire.DELIVERY_COUNT, wire.ACQUIRED_COUNT}


def test_no_header_of_ours_is_in_the_brokers_own_space() -> None:
    """Names that begin with `x-` belong to brokers."""
    ours = _OUR_NAMES - _THE_BROKERS
    assert len(ours) > 15
    assert not [name for name in ours if name.startswith("x-")]


@given(header_values)
@example(2**63 - 1)
def test_a_count_is_a_number_that_can_be_counted_on(value: Any) -> None:
    """Whatever a stranger sent, one more than it still fits into a header."""
    count = wire.count({"attempts": value}, "attempts")
    assert 0 <= count < 2**63 - 1


@pytest.mark.parametrize("value", [None, True, False, -1, 1.0, "3", b"3", [3], {"n": 3}])
def test_what_is_no_number_counts_as_absent(value: Any) -> None:
    """A flag, a text or a table is no count."""
    assert wire.count({"attempts": value}, "attempts") == 0


def test_a_count_is_read_as_it_was_written() -> None:
    """An ordinary number comes back; where there is none it is 0."""
    assert wire.count({"attempts": 7}, "attempts") == 7
    assert wire.count({}, "attempts") == 0


@given(header_values)
@example("story-1")
def test_a_text_is_a_text_or_absent(value: Any) -> None:
    """Nothing else than a `str` is taken for text."""
    text = wire.text({"causation-id": value}, "causation-id")
    assert text == (value if isinstance(value, str) else None)


@given(st.one_of(header_values, st.datetimes().map(datetime.isoformat)))
@example("0001-01-01T00:00:00+10:00")
@example("9999-12-31T23:59:59-10:00")
@example("9999-12-31T23:59:59.999999")
def test_a_moment_can_always_be_written_down_again(value: Any) -> None:
    """What is read as a moment is one in every time zone, so that a copy can carry it on."""
    moment = wire.moment({"failed-at": value}, "failed-at")
    if moment is not None:
        assert datetime.fromisoformat(wire.format_moment(moment)).utcoffset() == timedelta(0)


@given(
    st.datetimes(
        min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - the zone comes from below
        max_value=datetime(2999, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_a_moment_survives_its_way_through_a_header(moment: datetime) -> None:
    """Written and read again it is the same moment, to the millisecond."""
    read = wire.moment({"failed-at": wire.format_moment(moment)}, "failed-at")
    assert read is not None
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)


def test_a_moment_is_written_in_utc() -> None:
    """One zone for all of them, so that they sort as text."""
    there = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert wire.format_moment(there) == "2026-03-01T10:00:00.000+00:00"


def test_a_moment_without_a_zone_is_taken_for_utc() -> None:
    """Strangers often leave the zone out."""
    read = wire.moment({"failed-at": "2026-03-01T12:00:00"}, "failed-at")
    assert read == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "soon", "2026-13-01", 1_700_000_000, None, b"2026-03-01"])
def test_what_is_no_moment_counts_as_absent(value: Any) -> None:
    """Only ISO 8601 is read."""
    assert wire.moment({"failed-at": value}, "failed-at") is None


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({}, 0),
        ({"x-delivery-count": 4}, 4),
        ({"x-acquired-count": 2, "x-delivery-count": 9}, 2),
        ({"x-acquired-count": 0, "x-delivery-count": 9}, 0),
        ({"x-delivery-count": "four"}, 0),
    ],
)
def test_deliveries_are_counted_as_the_broker_counts_them(
    headers: dict[str, Any], count: int
) -> None:
    """Where there is an acquired count it is the one that counts."""
    assert wire.delivery_count(headers) == count


_THEIRS = st.sampled_from(
    [
        *("x-death", "x-delivery-count", "x-acquired-count", "CC", "BCC"),
        *("x-first-death-reason", "x-last-death-queue", "x-opt-ordering-key"),
    ]
)


@given(header_tables, st.dictionaries(_THEIRS, header_values))
def test_a_copy_keeps_every_header_but_the_brokers_own(
    own: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """What would route the copy elsewhere, or count as a cycle, goes; the sender's stays."""
    assert wire.without_brokers_own({**own, **theirs}) == {
        name: value for name, value in own.items() if name not in theirs
    }


ANY = st.recursive(
    st.one_of(
        header_values,
        st.integers(),
        st.floats(),
        st.decimals(),
        st.text(st.characters()),
        st.datetimes(),
        st.builds(object),
    ),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text(st.characters()), values, max_size=3)
    ),
    max_leaves=5,
)


@given(ANY)
@example(2**63 - 1)
@example(2**63)
@example(-(2**63))
@example(-(2**63) - 1)
@example(math.inf)
@example(math.nan)
@example(Decimal("1E+3"))
@example(Decimal("1E-255"))
@example(Decimal("1E-256"))
@example(Decimal(2**32 - 1))
@example(Decimal(2**32))
@example(Decimal(-1))
@example(datetime(1970, 1, 1, tzinfo=UTC))
@example(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC))
@example("\ud800")
@example({"ü" * 127: 1})
@example({"ü" * 128: 1})
def test_a_value_is_a_problem_exactly_if_it_could_not_be_published(value: Any) -> None:
    """Else a handler's slip would look like a refusal of the broker, and be tried for ever."""
    try:
        encode_properties(Envelope(b"", headers={"h": value}))
    except UnreadableError:
        assert wire.problem_of(value)
    else:
        assert not wire.problem_of(value)


@pytest.mark.parametrize("inside", [lambda value: [value], lambda value: {"in": value}])
def test_a_value_may_be_nested_sixteen_times(inside: Callable[[Any], Any]) -> None:
    """Deeper ones could be written, but hardly read by anybody."""
    value: Any = "core"
    for _ in range(16):
        value = inside(value)
    assert wire.problem_of(value) is None
    assert wire.problem_of(inside(value)) == "it is nested more than 16 deep"


def test_a_name_inside_of_a_header_must_be_text() -> None:
    """The sentence repeats what it is."""
    assert (wire.problem_of([{5: 1}]) or "").startswith("5 is no name")


@given(header_values)
def test_every_type_that_amqp_has_may_be_a_header(value: Any) -> None:
    """What can come in can go out."""
    assert wire.problem_of(value) is None
