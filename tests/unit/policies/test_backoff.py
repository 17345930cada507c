"""Delays that are said to grow exponentially do, and jitter makes none of them shorter."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.policies.backoff import Step, choose, exponential, fixed

SECOND = timedelta(seconds=1)


def backoff(
    *,
    first: timedelta = SECOND,
    factor: float = 2.0,
    cap: timedelta = 300 * SECOND,
    attempts: int = 8,
    jitter: float = 0.0,
) -> tuple[Step, ...]:
    return exponential(first=first, factor=factor, cap=cap, attempts=attempts, jitter=jitter)


seconds = st.integers(1, 3_600).map(lambda number: number * SECOND)
factors = st.floats(1, 10)
attempts = st.integers(0, 20)
jitters = st.floats(0, 1)


def test_delays_double() -> None:
    """With a factor of two, up to the cap and no further."""
    steps = backoff(cap=20 * SECOND, attempts=7)
    assert steps == fixed(tuple(n * SECOND for n in (1, 2, 4, 8, 16, 20, 20)))


@given(seconds, factors, seconds, attempts)
def test_each_delay_is_the_first_times_a_power_of_the_factor(
    first: timedelta, factor: float, cap: timedelta, attempts: int
) -> None:
    """Or the cap; rounded, so that the queues have readable names."""
    steps = backoff(first=first, factor=factor, cap=cap, attempts=attempts)
    assert len(steps) == attempts
    for n, (delay,) in enumerate(steps):
        exact = min(first.total_seconds() * factor**n, cap.total_seconds())
        assert delay.total_seconds() == pytest.approx(exact, abs=0.51 if exact >= 9.9 else 0.051)


@given(seconds, factors, seconds, attempts)
def test_no_delay_is_over_the_cap_or_shorter_than_the_one_before(
    first: timedelta, factor: float, cap: timedelta, attempts: int
) -> None:
    """They grow until they are as long as they may be."""
    delays = [delay for (delay,) in backoff(first=first, factor=factor, cap=cap, attempts=attempts)]
    assert all(delay <= cap for delay in delays)
    assert all(one <= next_one for one, next_one in pairwise(delays))


@given(seconds, factors, seconds, attempts, jitters)
def test_jitter_only_lengthens(
    first: timedelta, factor: float, cap: timedelta, attempts: int, jitter: float
) -> None:
    """By the share that was asked for, at most."""
    plain = backoff(first=first, factor=factor, cap=cap, attempts=attempts)
    spread = backoff(first=first, factor=factor, cap=cap, attempts=attempts, jitter=jitter)
    for (delay,), rungs in zip(plain, spread, strict=True):
        assert rungs[0] == delay
        assert all(delay <= rung for rung in rungs)
        assert max(rungs) <= delay * (1 + jitter) + SECOND / 2


def test_jitter_spreads_a_step_evenly() -> None:
    """From the delay itself to the delay and the whole share more."""
    (step,) = backoff(first=20 * SECOND, attempts=1, jitter=0.5)
    assert step == (20 * SECOND, 25 * SECOND, 30 * SECOND)


@given(seconds, factors, seconds, attempts, jitters)
def test_a_step_is_at_most_three_queues(
    first: timedelta, factor: float, cap: timedelta, attempts: int, jitter: float
) -> None:
    """Each rung is a queue on the broker, so they are few, and no two of a step are the same."""
    steps = backoff(first=first, factor=factor, cap=cap, attempts=attempts, jitter=jitter)
    for rungs in steps:
        assert len(set(rungs)) == len(rungs) <= (3 if jitter else 1)


def test_capped_steps_share_their_queues() -> None:
    """A long policy doesn't need many queues."""
    steps = backoff(cap=8 * SECOND, attempts=100, jitter=0.5)
    assert len({rung for step in steps for rung in step}) <= 4 * 3


def test_delays_are_rounded_to_what_reads_well() -> None:
    """Tenths below ten seconds, whole seconds above, and never nothing."""
    (tiny,), (small,), (large,) = (
        backoff(first=timedelta(seconds=first), attempts=1)[0] for first in (0.001, 1.26, 12.6)
    )
    assert (tiny, small, large) == (SECOND / 10, 1.3 * SECOND, 13 * SECOND)


@given(st.integers(0, 2**32))
def test_one_message_always_takes_the_same_rung(salt: int) -> None:
    """The choice depends on the salt alone."""
    (step,) = backoff(attempts=1, jitter=1.0)
    assert choose(step, salt) == choose(step, salt)
    assert choose(step, salt) in step


def test_many_messages_take_all_rungs_alike() -> None:
    """That is what jitter is for: a herd is broken up into three equal parts."""
    (step,) = backoff(attempts=1, jitter=1.0)
    taken = [choose(step, salt) for salt in range(300)]
    assert [taken.count(rung) for rung in step] == [100, 100, 100]
