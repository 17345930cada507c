"""A peak as a fluid: up while more comes than goes, and down again."""

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.operations.capacity import Load, Peak, Station, wave_of
from toolkit.operations.capacity.picture import draw
from toolkit.operations.capacity.plot import plot

EIGHT = Station(Load(arrivals=120, service=0.04), 8)  # get 200 a second done
CURVES = st.lists(st.floats(1, 1e6), min_size=2, max_size=5).map(
    lambda backlogs: tuple((float(n), backlog) for n, backlog in enumerate(backlogs))
)


def test_a_peak_is_worked_off_with_what_is_left_over() -> None:
    """100 a second too many for ten minutes, then 80 a second to spare."""
    wave = wave_of(Peak(300, 600), EIGHT)
    assert wave.highest == 60_000
    assert wave.work_off == 750
    assert wave.longest_wait == 300
    assert list(wave.points) == [(0, 0), (600, 60_000), (1350, 0)]


def test_a_backlog_that_was_there_comes_on_top() -> None:
    """From a queue that was measured with one."""
    assert wave_of(Peak(300, 600), EIGHT, backlog=8000).work_off == 850


def test_a_peak_that_can_be_met_leaves_nothing() -> None:
    """An earlier backlog ends in the middle of it."""
    wave = wave_of(Peak(150, 600), EIGHT, backlog=5000)
    assert list(wave.points) == [(0, 5000), (100, 0), (600, 0)]
    assert wave.work_off == 0


def test_a_load_that_leaves_nothing_over_never_works_a_peak_off() -> None:
    """Four consumers are fewer than the normal load needs."""
    wave = wave_of(Peak(300, 600), Station(Load(arrivals=120, service=0.04), 4))
    assert wave.work_off == inf
    assert wave.points[-1][1] > wave.points[-2][1]


@given(st.floats(1, 1000), st.floats(1, 1e5), st.integers(5, 100), st.integers(1, 50))
def test_more_consumers_never_take_longer(
    rate: float, seconds: float, consumers: int, more: int
) -> None:
    """To work a peak off."""
    load = Load(arrivals=120, service=0.04)
    few = wave_of(Peak(rate, seconds), Station(load, consumers))
    many = wave_of(Peak(rate, seconds), Station(load, consumers + more))
    assert many.work_off <= few.work_off


@given(CURVES, st.integers(1, 100), st.integers(1, 30))
def test_a_plot_fits_into_the_lines_that_it_was_given(
    points: tuple[tuple[float, float], ...], width: int, height: int
) -> None:
    """Its height, the axis, and what is under it; no line longer than the axis."""
    lines = plot(points, width=width, height=height).splitlines()
    assert len(lines) == height + 2
    assert max(map(len, lines[:height])) <= len(lines[height])


def test_a_plot_rises_and_falls_as_the_backlog_does() -> None:
    """Eighths of a line: seven columns of a triangle."""
    drawn = plot(((0, 0), (4, 1000), (8, 0)), width=8, height=1).splitlines()
    assert drawn[0] == "1,000 ┤▁▃▅▇▇▅▃▁"


def test_a_picture_is_a_png(tmp_path: Path) -> None:
    """As matplotlib draws it."""
    pytest.importorskip("matplotlib")
    draw({"8 consumers": wave_of(Peak(300, 600), EIGHT).points}, tmp_path / "peak.png")
    assert (tmp_path / "peak.png").read_bytes().startswith(b"\x89PNG")
