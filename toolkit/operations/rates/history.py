"""What a broker counted for one queue, over a window of time.

Receives what the management API answers, or counts of our own, hands series to the arithmetic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

DONE = ("ack", "deliver_no_ack", "get_no_ack")
"""Counters of messages that are done with: acked, or given to somebody who doesn't ack."""


class Sample(NamedTuple):
    """A figure, and when the broker had it: seconds of its own clock."""

    at: float
    value: float


Series = tuple[Sample, ...]
"""Oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One queue. None is what wasn't told.

    `published` and `done` count upwards, `lengths` (ready and unacked together) and `unacked_then`
    are levels. `is_single` is a queue with a single active consumer, however many are registered.
    """

    queue: str
    type: str = ""
    consumers: int
    ready: int | None = None
    unacked: int | None = None
    published: Series | None = None
    done: Series | None = None
    lengths: Series = ()
    unacked_then: Series | None = None
    head_at: float | None = None
    is_single: bool = False

    @property
    def backlog(self) -> int | None:
        """All that isn't done: ready, and unacked as far as it is known."""
        return None if self.ready is None else self.ready + (self.unacked or 0)


def history_of(said: Mapping[str, Any]) -> History:
    """One queue as `/api/queues` shows it."""
    published, done, known = _counted(said)
    until = published[-1].at if published else inf

    def levels(name: str) -> Series:
        """As many as there are counters, without one of a time that has only begun.

        Its figure is that of the time before, until the queue has told its own.
        """
        return tuple(one for one in _samples(said, name)[-known:] if one.at <= until)

    arguments = said.get("arguments") or {}
    return History(
        queue=str(said["name"]),
        type=str(said.get("type", "")),
        consumers=int(said.get("consumers") or 0),
        ready=_number(said.get("messages_ready")),
        unacked=_number(said.get("messages_unacknowledged")),
        published=published,
        done=done,
        lengths=levels("messages"),
        unacked_then=levels("messages_unacknowledged") or None,
        head_at=_number(said.get("head_message_timestamp")),
        is_single=bool(arguments.get("x-single-active-consumer")),
    )


def _counted(said: Mapping[str, Any]) -> tuple[Series | None, Series | None, int]:
    """What was published and done since the counting began, and how many samples that is.

    Before anything happens to a queue the broker shows zeros, also for the time before there was
    one. A counter that fell was begun again, on another node.
    """
    levels = _samples(said, "messages")
    stats = said.get("message_stats")
    if not isinstance(stats, Mapping) or not stats:
        nothing = tuple(Sample(sample.at, 0) for sample in levels)
        return (nothing, nothing, len(levels)) if levels else (None, None, 0)
    published = _samples(stats, "publish")
    parts = [part for name in DONE if (part := _samples(stats, name))]
    times = [sample.at for sample in published or (parts[0] if parts else ())]
    if not times:
        return None, None, 0
    done = _sum(parts, times)
    published = published or tuple(Sample(at, 0) for at in times)
    begun = next(
        (n for n, (a, b) in enumerate(zip(published, done, strict=True)) if a.value or b.value),
        0,
    )
    begun = max(begun, _last_fall(published), _last_fall(done))
    return published[begun:], done[begun:], len(times) - begun


def _sum(parts: Sequence[Series], times: Sequence[float]) -> Series:
    by_time = [dict(part) for part in parts]
    return tuple(Sample(at, sum(part.get(at, 0) for part in by_time)) for at in times)


def _last_fall(series: Series) -> int:
    """Where it was lower than just before for the last time; 0 if never."""
    pairs = enumerate(pairwise(series), start=1)
    return max((n for n, (a, b) in pairs if b.value < a.value), default=0)


def _samples(said: Mapping[str, Any], name: str) -> Series:
    details = said.get(f"{name}_details")
    if not isinstance(details, Mapping):
        return ()
    found = [Sample(one["timestamp"] / 1000, one["sample"]) for one in details.get("samples") or ()]
    return tuple(sorted(found))


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
