"""Durations as people write them: "500ms", "30s", "1m30s", or a timedelta.

Receives text from declarations and settings, hands timedeltas to everything else.
"""

import re
from datetime import timedelta

Duration = str | timedelta
"""A length of time at the public edge."""

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"([0-9]+)(ms|[dhms])")
_WHOLE = re.compile(r"(?:[0-9]+(?:ms|[dhms]))+")
_GRAIN = timedelta(milliseconds=1)  # what a broker's TTL is counted in
_LONGEST = timedelta(days=24)  # a broker's TTL is at most 2**32 - 1 ms; older ones take 2**31 - 1


def parse_duration(value: Duration) -> timedelta:
    """A length of time, positive or zero, 24 days at most, in whole milliseconds (rounded up).

    Raises `ValueError` with a sentence that shows the accepted form.
    """
    parsed = value if isinstance(value, timedelta) else _parse(value)
    if not timedelta(0) <= parsed <= _LONGEST:
        raise ValueError(f"{value!r} is not between 0 and {format_duration(_LONGEST)}")
    return -(-parsed // _GRAIN) * _GRAIN


def parse_optional(value: Duration | None) -> timedelta | None:
    """The same, for what may be left out."""
    return None if value is None else parse_duration(value)


def _parse(text: object) -> timedelta:
    if not isinstance(text, str) or not _WHOLE.fullmatch(text.strip()):
        raise ValueError(
            f"{text!r} is not a duration; write a number with a unit, such as "
            "'500ms', '30s', '5m', '1m30s', '2h' or '7d'"
        )
    try:
        return sum((int(n) * _UNITS[unit] for n, unit in _PART.findall(text)), timedelta(0))
    except (OverflowError, ValueError) as error:  # the latter from a number of 4,300 digits
        raise ValueError(f"{text[:40]!r} is far too long a duration") from error


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back: "90s" becomes "1m30s"."""
    left = value
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
