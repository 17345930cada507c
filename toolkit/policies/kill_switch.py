"""When a consumer stops taking messages, because nearly all of them fail.

Receives ends of runs with their moments, hands the verdict to whoever holds the switch.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from toolkit.errors import ConfigurationError
from toolkit.policies.duration import Duration, format_duration, parse_duration

_GRAINS = 20  # of a window: what is older than it is forgotten in steps of one twentieth


@dataclass(frozen=True, slots=True, init=False)
class KillSwitch:
    """Stops a consumer while its runs fail, as they do when a server behind it is down.

    It trips when, of at least `minimum` runs within `window`, a `share` or more have failed.
    The consumer then gives back what it holds and takes nothing for the time of `pause`; then it
    tries one message, and goes on if that succeeds, or waits again. Errors that the retry policy
    never tries again, and verdicts, say something of a message and not of a server: they count
    neither way.

    Raises `ConfigurationError` for numbers or durations that make no sense.
    """

    share: float
    minimum: int
    window: timedelta
    pause: timedelta

    def __init__(
        self,
        *,
        share: float = 0.5,
        minimum: int = 10,
        window: Duration = "1m",
        pause: Duration = "15s",
    ) -> None:
        problems = []
        if not 0 < share <= 1:
            problems.append(f"share: {share!r} must be over 0 and at most 1, which is all runs")
        if minimum < 1:
            problems.append(f"minimum: {minimum!r} must be 1 or more")
        lengths = {}
        for name, value in (("window", window), ("pause", pause)):
            try:
                lengths[name] = parse_duration(value)
            except ValueError as error:
                problems.append(f"{name}: {error}")
            else:
                if not lengths[name]:
                    problems.append(f"{name}: must be longer than zero")
        if problems:
            raise ConfigurationError("This kill switch can't work", problems)
        object.__setattr__(self, "share", share)
        object.__setattr__(self, "minimum", minimum)
        object.__setattr__(self, "window", lengths["window"])
        object.__setattr__(self, "pause", lengths["pause"])

    def __str__(self) -> str:
        return (
            f"pauses {format_duration(self.pause)} once {self.share:.0%} of {self.minimum} runs or "
            f"more within {format_duration(self.window)} have failed"
        )


@dataclass(slots=True)
class _Grain:
    begin: datetime
    runs: int = 0
    failures: int = 0


@dataclass(slots=True)
class Window:
    """How many runs there were of late, and how many of them failed."""

    switch: KillSwitch
    _grains: deque[_Grain] = field(default_factory=deque)

    def note(self, now: datetime, *, is_failure: bool) -> None:
        """One run has ended."""
        grains = self._grains
        if not grains or now - grains[-1].begin >= self.switch.window / _GRAINS:
            grains.append(_Grain(now))
        grains[-1].runs += 1
        grains[-1].failures += is_failure

    def counts(self, now: datetime) -> tuple[int, int]:
        """Runs and failures within the window."""
        grains = self._grains
        while grains and now - grains[0].begin > self.switch.window:
            grains.popleft()
        return sum(grain.runs for grain in grains), sum(grain.failures for grain in grains)

    def is_over(self, now: datetime) -> bool:
        """Whether too many have failed."""
        runs, failures = self.counts(now)
        return runs >= self.switch.minimum and failures >= self.switch.share * runs

    def forget(self) -> None:
        """Begins anew."""
        self._grains.clear()
