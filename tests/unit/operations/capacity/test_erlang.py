"""Erlang's formulas, against figures that others have published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.operations.capacity.erlang import blocking, waiting


@pytest.mark.parametrize(
    ("handlers", "offered", "published"),
    [
        (5, 1.361, 0.01),
        (10, 4.461, 0.01),
        (20, 12.031, 0.01),
        (100, 84.064, 0.01),
        (30, 21.932, 0.02),
    ],
)
def test_blocking_is_what_the_tables_have(handlers: int, offered: float, published: float) -> None:
    """Erlang B as tabulated by R. B. Cooper, Introduction to Queueing Theory, 2nd ed., 1981."""
    assert blocking(handlers, offered) == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(("agents", "published"), [(11, 0.682), (14, 0.174)])
def test_waiting_is_what_a_call_centre_plans_with(agents: int, published: float) -> None:
    """200 calls an hour of three minutes: the worked example of callcentrehelper.com."""
    assert waiting(agents, 10.0) == pytest.approx(published, abs=5e-4)


@given(st.floats(0.001, 0.999))
def test_one_handler_makes_wait_whoever_comes_while_it_is_busy(busy: float) -> None:
    """M/M/1: as likely as it is busy, for Poisson arrivals see averages."""
    assert waiting(1, busy) == pytest.approx(busy)


@given(st.integers(1, 400), st.floats(0.01, 400))
def test_a_chance_is_between_nothing_and_certainty(handlers: int, offered: float) -> None:
    """Also for hundreds of handlers, where a sum of factorials would overflow."""
    assert 0 <= blocking(handlers, offered) <= waiting(handlers, offered) <= 1


@given(st.integers(1, 50), st.floats(0, 100))
def test_too_much_makes_everybody_wait(handlers: int, more: float) -> None:
    """From the load on that keeps all of them busy."""
    assert waiting(handlers, handlers + more) == 1
