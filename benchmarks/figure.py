"""Numbers of several rounds: their median, their spread, and how two contestants compare.

Receives measurements, hands figures to the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Self


@dataclass(frozen=True)
class Figure:
    """The median of some rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """None without a value."""
        return cls(median(values), min(values), max(values)) if values else None

    @property
    def spread(self) -> float:
        """From lowest to highest, as a share of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure | None:
    """How many times theirs ours is, round by round; None unless both were there in each."""
    if len(ours) != len(theirs):
        return None
    return Figure.of([mine / other for mine, other in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank: the smallest value that so many percent don't exceed."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]
