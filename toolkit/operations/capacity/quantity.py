"""Rates and times as people write them: "120/s", "90/min", "40ms", "0.4ms", "1.5s".

Receives text from the command line, hands numbers per second and seconds to the formulas.
"""

import math
import re

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_RATE = re.compile(rf"{_NUMBER}\s*/\s*(s|sec|second|min|m|minute|h|hour|d|day)")
_TIME = re.compile(rf"{_NUMBER}\s*(us|ms|s|m|min|h)")
_PER = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_rate(text: str) -> float:
    """Messages per second. Raises ValueError with a sentence."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is no rate; write how many in which time, such as '120/s' or '90/min'"
        )
    return _positive(float(match[1]) / _PER[match[2][0]], text)


def parse_time(text: str) -> float:
    """Seconds; finer than `parse_duration`, for handlers that are. Raises ValueError."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is no time; write a number with a unit, such as '40ms', '0.4ms' or '1.5s'"
        )
    return _positive(float(match[1]) * _UNITS[match[2]], text)


def _positive(value: float, text: str) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} must be more than nothing, and less than everything")
    return value
