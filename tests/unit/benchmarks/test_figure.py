"""Medians, spreads and ratios."""

import pytest

from benchmarks.figure import Figure, percentile, ratio


def test_a_figure_is_the_median_and_how_far_the_rounds_were_apart() -> None:
    """One slow round moves the spread, not the figure."""
    figure = Figure.of([100.0, 20.0, 110.0])
    assert figure == Figure(median=100.0, low=20.0, high=110.0)
    assert figure.spread == pytest.approx(0.9)


def test_no_rounds_make_no_figure() -> None:
    """A contestant that failed each time has none."""
    assert Figure.of([]) is None


def test_contestants_are_compared_round_by_round() -> None:
    """A machine that was slow for one round was slow for both."""
    figure = ratio([400.0, 40.0, 500.0], [100.0, 10.0, 100.0])
    assert figure == Figure(median=4.0, low=4.0, high=5.0)


def test_rounds_that_only_one_of_them_survived_are_not_compared() -> None:
    """The pairs would be wrong."""
    assert ratio([400.0, 500.0], [100.0]) is None
    assert ratio([], []) is None


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    """By nearest rank, in whatever order the values came."""
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected
