"""A flow as people read it: a row of short words.

Receives flows, hands the command cells of a table; "?" is what nobody told.
"""

from datetime import timedelta

from toolkit.operations.rates.flow import Flow

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_LONGEST = 1000 * _DAY


def columns(within: timedelta) -> tuple[str, ...]:
    """Over the table; `within` is how fast more consumers shall be done."""
    return (
        "queue",
        "in/s (P)",
        "out/s (C)",
        "min(P,C)",
        "backlog (Q)",
        "unacked",
        "consumers",
        "oldest",
        "drains in",
        f"+ for {duration(within.total_seconds())}",
    )


def row(flow: Flow) -> tuple[str, ...]:
    """One queue."""
    if flow.verdict == "gone":
        return (_plain(flow.queue), *("-" for _ in range(7)), "gone", "-")
    return (
        _plain(flow.queue),
        rate(flow.arrivals),
        rate(flow.completions),
        rate(flow.throughput),
        _count(flow.backlog),
        _count(flow.unacked),
        str(flow.consumers),
        _age(flow),
        duration(flow.drains_in) if flow.drains_in is not None else _VERDICTS[flow.verdict],
        "?" if flow.more is None else f"+{flow.more}" if flow.more else "0",
    )


_VERDICTS = {"never": "never", "keeping up": "keeping up", "idle": "idle"} | {
    "unknown": "?",
    "draining": "?",
}


def remarks(flows: "list[Flow]") -> list[str]:
    """What isn't in the table: over how long it was measured, and what no counter explains."""
    spans = [flow.measured_over for flow in flows if flow.measured_over]
    said = []
    if spans:
        low, high = duration(min(spans)), duration(max(spans))
        said.append(f"measured over {low if low == high else f'{low} to {high}'}")
    for flow in flows:
        if flow.otherwise and flow.otherwise > 0:
            said.append(
                f"{_plain(flow.queue)}: {rate(flow.otherwise)}/s of P weren't published: they come "
                "back from delays, or from a queue that dead-letters into this one"
            )
        elif flow.otherwise:
            said.append(
                f"{_plain(flow.queue)}: {rate(-flow.otherwise)}/s leave without an ack: expired, "
                "purged, rejected or dropped"
            )
    return said


def rate(value: float | None) -> str:
    """So many a second, with as many digits as mean something."""
    if value is None:
        return "?"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 or not value else f"{value:.2g}"


def duration(seconds: float) -> str:
    """Two units at most: 850ms, 4.2s, 3m20s, 5h12m, 3d4h."""
    if seconds >= _LONGEST:
        return "> 1000d"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g}ms" if seconds else "0s"
    if seconds < _MINUTE:
        return f"{seconds:.3g}s"
    for large, small, unit, part in (
        (_DAY, _HOUR, "d", "h"),
        (_HOUR, _MINUTE, "h", "m"),
        (_MINUTE, 1.0, "m", "s"),
    ):
        if seconds >= large:
            whole, rest = divmod(round(seconds / small), round(large / small))
            return f"{whole}{unit}{rest}{part}" if rest else f"{whole}{unit}"
    return "?"


def _plain(name: str) -> str:
    """A queue's name may hold what would move a terminal's cursor."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _age(flow: Flow) -> str:
    if flow.age is None:
        return "-" if flow.backlog == 0 else "?"
    mark = {"counted": "", "timestamp": "", "estimated": "~", "at least": ">"}
    return f"{mark[flow.age_basis or 'counted']}{duration(flow.age)}"
