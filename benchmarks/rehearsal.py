"""A queue under a known load: a service that handles for so long, and a sender that sends so often.

Receives an address and a load, hands what really happened: each arrival, wait and handling time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic

from benchmarks.simulation import times
from toolkit import Consumer, Context, Event, Producer, Publishes, QueueOptions, Service, Settings
from toolkit.operations.capacity.station import Load


class Task(Event, name="rehearsal.task"):
    """One message; its number finds its times again."""

    number: int


class Tasks(Producer):
    """What is sent."""

    task = Publishes(Task)


@dataclass
class Record:
    """What happened, by `monotonic`: when a message was sent, begun and done, by its number."""

    sent: dict[int, float] = field(default_factory=dict)
    begun: dict[int, float] = field(default_factory=dict)
    done: dict[int, float] = field(default_factory=dict)

    def waits(self, after: float) -> list[float]:
        """Of those that were sent after that, in their order."""
        return [
            self.begun[n] - at
            for n, at in sorted(self.sent.items())
            if at > after and n in self.begun
        ]

    def backlog(self, moment: float) -> int:
        """Sent and not done by then."""
        return count(self.sent, 0.0, moment) - count(self.done, 0.0, moment)


def count(when: dict[int, float], after: float, until: float) -> int:
    """How many fall in between."""
    return sum(after < at <= until for at in when.values())


class Work(Consumer[Task]):
    """Sleeps as long as it was told, message for message."""

    def __init__(
        self, name: str, *, concurrency: int, record: Record, lengths: Iterator[float]
    ) -> None:
        self.queue = QueueOptions(name=name)
        self.concurrency = self.prefetch = concurrency
        self._record, self._lengths = record, lengths

    async def handle(self, message: Task, context: Context) -> None:
        """The next time of the sequence, whichever message it is."""
        self._record.begun[message.number] = monotonic()
        await asyncio.sleep(next(self._lengths))
        self._record.done[message.number] = monotonic()


class Rehearsal:
    """One queue with its service. What is sent before the service starts is a backlog."""

    def __init__(self, url: str, name: str, load: Load, *, concurrency: int, seed: int) -> None:
        self.name, self.load, self.concurrency, self.seed = name, load, concurrency, seed
        self.queue = f"rehearsal.{name}"
        self.record = Record()
        lengths = times(load.service, load.cv_service, Random(seed + 1))
        work = Work(self.queue, concurrency=concurrency, record=self.record, lengths=lengths)
        self._service = Service(
            name, consumers=[work], producers=[Tasks], settings=Settings(amqp_url=url)
        )
        self._number = 0
        self._sending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With its service started."""
        async with self._service:
            yield

    async def fill(self, number: int) -> None:
        """A backlog, at once."""
        await asyncio.gather(*(self._send() for _ in range(number)))

    async def send(self, seconds: float) -> None:
        """At the load's rate; late ones are caught up with, so the clock keeps the rate."""
        gaps = times(1 / self.load.arrivals, self.load.cv_arrivals, Random(self.seed))
        began = due = monotonic()
        while (due := due + next(gaps)) < began + seconds:
            await asyncio.sleep(max(0.0, due - monotonic()))
            task = asyncio.create_task(self._send())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self) -> None:
        self._number += 1
        number = self._number
        self.record.sent[number] = monotonic()
        await Tasks(self._service).task(Task(number=number))
