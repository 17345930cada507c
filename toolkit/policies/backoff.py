"""Sequences of delays.

Receives the numbers of a policy, hands a tuple of steps to `Retry`. A step is the delay that
was asked for and, with jitter, a few longer ones to choose among: delays are queues on the
broker with one fixed time each, so jitter is a choice of queue, and it only lengthens.
"""

from datetime import timedelta

Step = tuple[timedelta, ...]
"""The rungs that one delayed try may take; the first is the shortest."""

_SPREAD = 3  # rungs for one step with jitter: enough to break up a herd, few enough to declare


def fixed(delays: tuple[timedelta, ...]) -> tuple[Step, ...]:
    """One rung a step."""
    return tuple((delay,) for delay in delays)


def exponential(
    *, first: timedelta, factor: float, cap: timedelta, attempts: int, jitter: float
) -> tuple[Step, ...]:
    """`first * factor**n`, at most `cap`, for n from 0 to `attempts - 1`.

    With `jitter` (0.2 is 20 %) each step is spread over three rungs, from the delay itself to
    the delay and that share more.
    """
    steps = []
    delay = first
    for _ in range(attempts):
        steps.append(_spread(_rounded(min(delay, cap)), jitter))
        delay = min(delay * factor, cap)
    return tuple(steps)


def _spread(delay: timedelta, jitter: float) -> Step:
    if not jitter:
        return (delay,)
    rungs = (_rounded(delay * (1 + jitter * n / (_SPREAD - 1))) for n in range(_SPREAD))
    return tuple(dict.fromkeys(rungs))


def _rounded(delay: timedelta) -> timedelta:
    """To whole seconds from ten seconds on, to tenths below: names of rungs stay readable."""
    grain = timedelta(seconds=1) if delay >= timedelta(seconds=10) else timedelta(milliseconds=100)
    return max(round(delay / grain), 1) * grain


def choose(step: Step, salt: int) -> timedelta:
    """The rung of a step for one message, evenly spread over `salt`."""
    return step[salt % len(step)]
