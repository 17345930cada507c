"""What was asked about a load, and what comes of it.

Receives a load, a target, a number of consumers and a peak, hands the command values to show.
"""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from toolkit.operations.capacity.peak import Peak, Wave, wave_of
from toolkit.operations.capacity.station import Load, Station
from toolkit.operations.capacity.target import Target, consumers_for, fewest
from toolkit.operations.rates.flow import Flow

PERCENTS = (50.0, 95.0, 99.0)
_COMPARED = 5  # numbers of consumers, where none was asked about


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`needed` consumers hold the target; `chosen` are those that were asked about, or these.

    `is_held` is false where somebody asked about fewer than are needed.
    """

    load: Load
    concurrency: int
    flow: Flow | None
    target: Target | None
    needed: int | None
    chosen: int | None
    is_held: bool
    stations: tuple[Station, ...]
    peak: Peak | None
    wave: Wave | None

    def document(self) -> Any:
        """For machines; null is what has no end."""
        found = {
            "load": asdict(self.load),
            "concurrency": self.concurrency,
            "measured": None if self.flow is None else asdict(self.flow),
            "target": None if self.target is None else str(self.target),
            "consumers_needed": self.needed,
            "is_held": self.is_held,
            "stations": [
                {
                    "consumers": station.consumers,
                    "utilisation": station.utilisation,
                    "chance_of_waiting": station.chance_of_waiting,
                    "mean_wait": station.mean_wait,
                    "mean_latency": station.mean_latency,
                    **{f"p{p:g}_wait": station.wait(p) for p in PERCENTS},
                }
                for station in self.stations
            ],
            "peak": None if self.wave is None else asdict(self.wave),
        }
        return _without_infinity(found)


def answer(
    load: Load,
    target: Target | None = None,
    *,
    concurrency: int | None = None,
    consumers: int | None = None,
    peak: Peak | None = None,
    flow: Flow | None = None,
) -> Answer:
    """What was measured stands in for what wasn't said. Raises ValueError for a peak that nobody
    was said to meet.
    """
    each = concurrency or (flow.concurrency if flow else None) or 1
    needed = None if target is None else consumers_for(target, load, concurrency=each)
    chosen = consumers or needed
    if peak is not None and chosen is None:
        chosen = (flow.consumers if flow else 0) or None
        if chosen is None:
            raise ValueError("a peak needs --consumers, or a --target to work them out")
    wave = None
    if peak is not None and chosen is not None:
        backlog = float(flow.backlog or 0) if flow else 0.0
        wave = wave_of(peak, Station(load, chosen, each), backlog=backlog)
    return Answer(
        load=load,
        concurrency=each,
        flow=flow,
        target=target,
        needed=needed,
        chosen=chosen,
        is_held=consumers is None or needed is None or consumers >= needed,
        stations=tuple(
            Station(load, number, each) for number in _compared(load, each, chosen, needed)
        ),
        peak=peak,
        wave=wave,
    )


def _compared(load: Load, concurrency: int, chosen: int | None, needed: int | None) -> list[int]:
    """Those that were asked about, those that are needed, and what one fewer would be."""
    if chosen is None:
        least = fewest(load, concurrency)
        return list(range(least, least + _COMPARED))
    return sorted({chosen, needed or chosen, max(1, needed - 1) if needed else chosen})


def _without_infinity(value: Any) -> Any:
    """JSON knows no such number."""
    match value:
        case dict():
            return {key: _without_infinity(one) for key, one in value.items()}
        case list() | tuple():
            return [_without_infinity(one) for one in value]
        case float() if value == inf:
            return None
        case _:
            return value
