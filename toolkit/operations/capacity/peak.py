"""A peak: how high the backlog gets, and how long it takes to be worked off.

Receives a peak and the consumers that meet it, hands a curve.

A fluid model (Kleinrock, Queueing Systems II, 1976, chapter 2): what comes and what is done are
even streams, so chance, and the short queue of normal times, are left out. It is right where the
backlog is large beside that, which is when one asks.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Self

from toolkit.operations.capacity.quantity import parse_rate, parse_time
from toolkit.operations.capacity.station import Station

_FORM = re.compile(r"(.+/.+?)\s+for\s+(.+)")


@dataclass(frozen=True, slots=True)
class Peak:
    """So many messages a second, for so many seconds."""

    rate: float
    seconds: float

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From "300/s for 10m". Raises ValueError with a sentence."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no peak; write a rate and a time, as in '300/s for 10m'")
        return cls(parse_rate(match[1]), parse_time(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What a peak does. Times in seconds; `work_off` is from its end, infinite if never.

    `points` are its corners: seconds from the peak's beginning, and messages.
    """

    highest: float
    work_off: float
    longest_wait: float
    points: tuple[tuple[float, float], ...]


def wave_of(peak: Peak, station: Station, *, backlog: float = 0.0) -> Wave:
    """From so large a backlog on, with the station's load before and after the peak."""
    rise, fall = peak.rate - station.most, station.most - station.load.arrivals
    points = [(0.0, backlog)]
    if rise < 0 and backlog / -rise < peak.seconds:
        points.append((backlog / -rise, 0.0))
    end = max(0.0, backlog + rise * peak.seconds)
    points.append((peak.seconds, end))
    work_off = (end / fall if fall > 0 else inf) if end else 0.0
    if work_off == inf:
        points.append((2 * peak.seconds, end - fall * peak.seconds))
    elif work_off:
        points.append((peak.seconds + work_off, 0.0))
    highest = max(backlog, end) if work_off < inf else inf
    longest = highest / station.most if station.most else inf
    return Wave(
        highest=highest,
        work_off=work_off,
        longest_wait=longest,
        points=tuple(dict.fromkeys(points)),
    )


def at(points: tuple[tuple[float, float], ...], moment: float) -> float:
    """The backlog then; before and after the curve, as at its end."""
    for (t0, q0), (t1, q1) in pairwise(points):
        if t0 <= moment <= t1 and t1 > t0:
            return q0 + (q1 - q0) * (moment - t0) / (t1 - t0)
    return points[0][1] if moment < points[0][0] else points[-1][1]
