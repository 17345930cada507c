"""How long messages wait, against theory, a published example and a simulation."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figure import percentile
from benchmarks.simulation import simulated
from toolkit.operations.capacity import Load, Station, Target, consumers_for

LOADS = st.builds(
    Load,
    arrivals=st.floats(0.01, 500),
    service=st.floats(0.001, 2),
    cv_arrivals=st.floats(0, 3),
    cv_service=st.floats(0, 3),
)


def test_the_mean_wait_is_that_of_a_published_example() -> None:
    """R. Bronson, Operations Research, 1982, 24.6: 300 a year, two days each, three for them."""
    station = Station(Load(arrivals=300 / 365, service=2), 3)
    assert station.mean_wait == pytest.approx(0.001175 * 365, rel=1e-3)


@pytest.mark.parametrize("cv", [0.0, 0.5, 1.0, 2.0])
def test_one_handler_waits_as_pollaczek_and_khinchine_have_it(cv: float) -> None:
    """M/G/1, where the correction is exact: rho S (1 + Cs²) / (2 (1 - rho))."""
    station = Station(Load(arrivals=8, service=0.1, cv_service=cv), 1)
    assert station.mean_wait == pytest.approx(0.8 * 0.1 * (1 + cv**2) / 2 / 0.2)


@pytest.mark.parametrize(
    ("handlers", "busy", "cv_arrivals", "cv_service"),
    [(1, 0.8, 1, 1), (4, 0.8, 1, 1), (10, 0.9, 1, 1), (4, 0.85, 1, 0.5), (4, 0.9, 0.7, 0.7)],
)
def test_waits_are_those_of_a_simulation(
    handlers: int, busy: float, cv_arrivals: float, cv_service: float
) -> None:
    """Mean and 95th percentile within 20%; `benchmarks.capacity` has more cases."""
    load = Load(arrivals=handlers * busy, service=1, cv_arrivals=cv_arrivals, cv_service=cv_service)
    waits = simulated(load, handlers, count=200_000, seed=7)
    station = Station(load, handlers)
    assert station.mean_wait == pytest.approx(sum(waits) / len(waits), rel=0.2)
    assert station.wait(95) == pytest.approx(percentile(waits, 95), rel=0.2)


@given(LOADS, st.integers(1, 100), st.integers(1, 20), st.floats(1, 99.9))
def test_more_consumers_never_wait_longer(
    load: Load, consumers: int, more: int, percent: float
) -> None:
    """In the mean and in any percentile."""
    few, many = Station(load, consumers), Station(load, consumers + more)
    assert many.mean_wait <= few.mean_wait
    assert many.wait(percent) <= few.wait(percent)


@given(LOADS, st.integers(1, 50))
def test_a_load_that_is_too_much_waits_for_ever(load: Load, consumers: int) -> None:
    """And one that isn't, doesn't."""
    station = Station(load, consumers)
    too_much = load.offered >= consumers
    assert (station.mean_wait == inf) == too_much
    assert (station.wait(50) == inf) == too_much


@given(LOADS, st.integers(1, 8))
def test_concurrency_counts_like_consumers(load: Load, concurrency: int) -> None:
    """Six consumers with one handler each, or one with six."""
    assert Station(load, 6, concurrency).mean_wait == Station(load, 1, 6 * concurrency).mean_wait


@given(LOADS, st.floats(50, 99.9), st.floats(0.001, 5), st.integers(1, 10))
def test_so_many_consumers_hold_a_target_and_one_fewer_does_not(
    load: Load, percent: float, seconds: float, concurrency: int
) -> None:
    """The fewest, found without trying all."""
    target = Target(percent, seconds)
    needed = consumers_for(target, load, concurrency=concurrency)
    assert target.holds(Station(load, needed, concurrency))
    assert needed == 1 or not target.holds(Station(load, needed - 1, concurrency))


@pytest.mark.parametrize("arrivals", range(100, 1000, 25))
def test_the_fewest_are_those_that_counting_up_finds(arrivals: int) -> None:
    """Doubling and halving skips none."""
    load, target = Load(arrivals=arrivals, service=0.1), Target(95, 0.005)
    by_hand = next(n for n in range(1, 300) if target.holds(Station(load, n)))
    assert consumers_for(target, load) == by_hand
