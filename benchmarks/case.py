"""What is measured: the cases, and how many messages each takes.

Receives nothing, hands the cases to the bench, and a task for each to the contestants.
"""

from dataclasses import dataclass
from typing import Literal

from benchmarks.task import WINDOW, Action, Task

SIZES = {"200 B": 200, "4 kB": 4_000, "100 kB": 100_000}
_COUNTS = {"200 B": 5_000, "4 kB": 2_000, "100 kB": 300}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of a table. `is_scaling` is for the toolkit's first lane alone."""

    name: str
    action: Action
    count: int
    size: int = 200
    queue_type: Literal["quorum", "classic"] = "quorum"
    window: int = WINDOW
    queues: int = 1
    workers: int = 1
    is_scaling: bool = False

    def task(self, url: str, *, share: int = 1) -> Task:
        """What one process is to do, if `share` of them divide the work."""
        return Task(
            action=self.action,
            url=url,
            count=self.count // share,
            size=self.size,
            queue_type=self.queue_type,
            window=self.window,
            queues=self.queues,
        )

    @property
    def is_quick(self) -> bool:
        """Whether a quick run has time for it."""
        return not self.is_scaling and self.size == SIZES["200 B"] and self.queue_type == "quorum"


def _matrix() -> list[Case]:
    actions: tuple[tuple[Action, str], ...] = (
        ("publish", f"publish, {WINDOW} outstanding"),
        ("consume", "consume and handle"),
    )
    queue_types: tuple[Literal["quorum", "classic"], ...] = ("quorum", "classic")
    return [
        Case(
            name=f"{title}, {size}, {queue_type}",
            action=action,
            count=_COUNTS[size],
            size=SIZES[size],
            queue_type=queue_type,
        )
        for action, title in actions
        for queue_type in queue_types
        for size in SIZES
    ]


def _scaling() -> list[Case]:
    outstanding = [
        Case(
            name=f"publish, {window:,} outstanding",
            action="publish",
            count=max(1_000, min(10_000, 1_000 * window), 2 * window),
            window=window,
            is_scaling=True,
        )
        for window in (1, 10, 100, 1_000, 10_000)
    ]
    shares = (("1 queue", 1, 1), ("10 queues", 10, 1), ("50 queues", 50, 1), ("1 queue", 1, 2))
    consuming = [
        Case(
            name=f"consume, {title}, {workers} process{'es' if workers > 1 else ''}",
            action="consume",
            count=10_000,
            queues=queues,
            workers=workers,
            is_scaling=True,
        )
        for title, queues, workers in shares
    ]
    return [*outstanding, *consuming]


CASES: tuple[Case, ...] = (
    Case(name="publish one by one, 200 B, quorum", action="publish", count=500, window=1),
    Case(name="publish with one call, 200 B, quorum", action="many", count=5_000),
    *_matrix(),
    Case(name="round trip, 200 B, quorum", action="round_trip", count=2_000),
    Case(name="latency at 500 a second, 200 B, quorum", action="latency", count=2_000),
    *_scaling(),
)
