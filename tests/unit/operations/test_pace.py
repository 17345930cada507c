"""So many a second, on a stopwatch that the test moves."""

import pytest

from toolkit import ConfigurationError
from toolkit.operations.pace import Pace
from toolkit.operations.publish import parsed_rate


class Watch:
    """A stopwatch."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sent_within(seconds: float, pace: Pace, watch: Watch, *, each_takes: float) -> int:
    """How many are sent, if one waits as it is told and sending takes this long."""
    count = 0
    while watch.now < seconds:
        watch.now += pace.wait() + each_takes
        count += 1
    return count


@pytest.mark.parametrize("each_takes", [0.0, 0.001, 0.0199])
def test_the_rate_is_kept_whatever_sending_takes(each_takes: float) -> None:
    """Waiting takes the work into account, so nothing adds up."""
    watch = Watch()
    sent = sent_within(60, Pace(50, watch), watch, each_takes=each_takes)
    assert sent == pytest.approx(3000, abs=2)


def test_who_is_too_slow_is_not_made_to_wait() -> None:
    """It is as fast as it can be."""
    watch = Watch()
    assert sent_within(10, Pace(50, watch), watch, each_takes=0.1) == pytest.approx(100, abs=2)


def test_what_an_outage_took_is_not_made_up_for_in_a_burst() -> None:
    """Up to a second is; the rest is gone."""
    watch = Watch()
    pace = Pace(50, watch)
    pace.wait()
    watch.now += 60
    at_once = 0
    while pace.wait() == 0:
        at_once += 1
    assert at_once <= 51


@pytest.mark.parametrize(
    ("text", "rate"), [("50", 50), ("50/s", 50), ("3000/m", 50), ("0.5", 0.5), (" 36000 / h ", 10)]
)
def test_a_rate_is_a_number_and_a_unit(text: str, rate: float) -> None:
    """A second, unless it says otherwise."""
    assert parsed_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "fast", "0", "-5", "inf", "nan", "50/d", "/s"])
def test_what_is_no_rate_is_named(text: str) -> None:
    """With what would be one."""
    with pytest.raises(ConfigurationError, match="is no rate"):
        parsed_rate(text)
