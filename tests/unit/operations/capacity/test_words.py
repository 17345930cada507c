"""What people write on the command line: rates, times, targets and peaks."""

from collections.abc import Callable

import pytest

from toolkit.operations.capacity import Load, Peak, Target
from toolkit.operations.capacity.answer import answer
from toolkit.operations.capacity.measurement import NothingMeasuredError, load_of
from toolkit.operations.capacity.quantity import parse_rate, parse_time
from toolkit.operations.rates import Flow


@pytest.mark.parametrize(
    ("text", "rate"),
    [("120/s", 120), ("90/min", 1.5), ("90 / m", 1.5), ("3600/h", 1), ("0.5/sec", 0.5)],
)
def test_a_rate_is_how_many_in_which_time(text: str, rate: float) -> None:
    """Per second, whatever it was written in."""
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "seconds"), [("40ms", 0.04), ("0.4ms", 0.0004), ("250us", 0.00025), ("1.5 s", 1.5)]
)
def test_a_time_may_be_shorter_than_a_millisecond(text: str, seconds: float) -> None:
    """Handlers can be."""
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (parse_rate, "120", "such as '120/s'"),
        (parse_rate, "120/fortnight", "such as '120/s'"),
        (parse_rate, "0/s", "more than nothing"),
        (parse_rate, "-3/s", "is no rate"),
        (parse_rate, "nan/s", "is no rate"),
        (parse_time, "40", "such as '40ms'"),
        (parse_time, "40 parsecs", "such as '40ms'"),
        (parse_time, "0ms", "more than nothing"),
        (parse_time, "9" * 400 + "s", "less than everything"),
        (Target.parsed, "p95 < 500", "such as '40ms'"),
        (Target.parsed, "p95 > 500ms", "write 'p95 < 500ms'"),
        (Target.parsed, "p100 < 1s", "between 0 and 100"),
        (Target.parsed, "median < 1s", "write 'p95 < 500ms'"),
        (Peak.parsed, "300/s", "as in '300/s for 10m'"),
        (Peak.parsed, "300 for 10m", "as in '300/s for 10m'"),
        (Peak.parsed, "300/s for ever", "such as '40ms'"),
    ],
)
def test_what_can_not_be_read_is_answered_with_what_can(
    parse: Callable[[str], object], text: str, said: str
) -> None:
    """Whichever part of it is wrong."""
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_what_was_measured_stands_in_for_what_was_not_said() -> None:
    """And what was said counts more."""
    flow = Flow(queue="q", consumers=2, concurrency=5, arrivals=80.0, service=0.1)
    assert load_of((None, None), flow) == Load(arrivals=80, service=0.1)
    assert load_of((100, None), flow) == Load(arrivals=100, service=0.1)
    found = answer(load_of((None, None), flow), flow=flow, peak=Peak(300, 60))
    assert (found.chosen, found.concurrency) == (2, 5)


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (Flow(queue="q", consumers=1, arrivals=0.0), "nothing came into 'q'"),
        (Flow(queue="q", consumers=1, arrivals=5.0), "say it with --service"),
    ],
)
def test_a_queue_on_which_nothing_is_measured_says_what_is_missing(flow: Flow, said: str) -> None:
    """Rather than plan with nothing."""
    with pytest.raises(NothingMeasuredError, match=said):
        load_of((None, None), flow)


def test_a_load_that_keeps_millions_busy_is_a_wrong_unit() -> None:
    """An answer would take hours, and be of no use."""
    with pytest.raises(ValueError, match="is a unit wrong"):
        load_of((1e6, 3600), None)


def test_a_peak_must_be_met_by_somebody() -> None:
    """By consumers that were said, or worked out, or are there."""
    with pytest.raises(ValueError, match="--consumers"):
        answer(Load(arrivals=1, service=1), peak=Peak(2, 60))


def test_an_answer_for_machines_has_no_infinity() -> None:
    """JSON knows no such number."""
    found = answer(Load(arrivals=10, service=1), consumers=3, peak=Peak(20, 60)).document()
    assert found["stations"][0]["mean_wait"] is None
    assert found["peak"]["work_off"] is None
