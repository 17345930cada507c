"""A latency that is to be held, and how many consumers hold it.

Receives "p95 < 500ms" and a load, hands a number of consumers.
"""

import re
from dataclasses import dataclass
from math import floor
from typing import Self

from toolkit.operations.capacity.quantity import parse_time
from toolkit.operations.capacity.station import Load, Station
from toolkit.operations.rates.words import duration

_FORM = re.compile(r"(p[0-9]+(?:\.[0-9]+)?|mean)\s*<\s*(.+)")


@dataclass(frozen=True, slots=True)
class Target:
    """So many percent wait no longer than so many seconds; without `percent`, the mean."""

    percent: float | None
    seconds: float

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From "p95 < 500ms" or "mean < 200ms". Raises ValueError with a sentence."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no target; write 'p95 < 500ms', or 'mean < 200ms'")
        percent = None if match[1] == "mean" else float(match[1][1:])
        if percent is not None and not 0 < percent < 100:
            raise ValueError(f"{text!r} is no target: p must be between 0 and 100")
        return cls(percent, parse_time(match[2]))

    def wait(self, station: Station) -> float:
        """The wait that it is about."""
        return station.mean_wait if self.percent is None else station.wait(self.percent)

    def holds(self, station: Station) -> bool:
        """Whether these consumers hold it."""
        return station.is_stable and self.wait(station) < self.seconds

    def __str__(self) -> str:
        what = "mean" if self.percent is None else f"p{self.percent:g}"
        return f"{what} < {duration(self.seconds)}"


def fewest(load: Load, concurrency: int = 1) -> int:
    """Consumers without which a backlog never ends."""
    return floor(load.offered / concurrency) + 1


def consumers_for(target: Target, load: Load, *, concurrency: int = 1) -> int:
    """The fewest that hold it. More never wait longer, so doubling and halving finds them."""
    low = fewest(load, concurrency)
    high = low
    while not target.holds(Station(load, high, concurrency)):
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if target.holds(Station(load, middle, concurrency)):
            high = middle
        else:
            low = middle + 1
    return high
