"""What a contestant's process is told and what it answers, as one line of JSON each.

Receives values from the bench, hands them to a process of its own, and its answer back.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal, Self

WINDOW = 256

Action = Literal["publish", "many", "consume", "round_trip", "latency"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to do, and on what.

    `publish`: `window` messages outstanding, each confirmed; one by one is a window of 1. `many`:
    the same with the contestant's call for many messages. `consume`: decode, handle and ack what
    lies in the queues. `round_trip`: publish with `window`; another handles it and publishes an
    answer in its handler; the first handles that. `latency`: publish `rate` a second and handle,
    in one process. `size` is that of a body, in bytes.
    """

    action: Action
    url: str
    count: int
    size: int
    queue_type: Literal["quorum", "classic"] = "quorum"
    queues: int = 1
    window: int = WINDOW
    prefetch: int = WINDOW
    rate: int = 500
    exchange: str = "events"
    key: str = "bench.placed"
    queue: str = "bench.orders.0"
    answer_key: str = "bench.noted"
    answer_queue: str = "bench.answers"

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The task that was told."""
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was measured; times in seconds of the machine's monotonic clock, memory in MB."""

    count: int
    began: float
    ended: float
    waits: list[float] = field(default_factory=list)
    """From the publish of each message to its handling, in milliseconds."""
    is_confirmed: bool = True
    """Whether each publish waited for the broker's word that it has the message."""
    version: str
    peak: float
    """The most resident memory that the process ever had; 0 where /proc doesn't say."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The answer that was given."""
        return cls(**json.loads(line))

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.count / (self.ended - self.began)
