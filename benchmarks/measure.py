"""What every contestant in Python measures with, so that all are measured alike.

Receives a task from the command line, hands it to the contestant, and prints its answer.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from benchmarks.message import M, Order, number_of, orders
from benchmarks.task import Answer, Task

T = TypeVar("T")


@dataclass
class Measured:
    """What one action took, by `perf_counter`; `waits` in seconds."""

    count: int
    began: float
    ended: float
    waits: Sequence[float] = field(default_factory=list)
    is_confirmed: bool = True


Work = Callable[[Task], Measured | Coroutine[None, None, Measured]]


class Tally:
    """Counts what is handled; measures from the first to the last."""

    def __init__(self, expected: int) -> None:
        self.expected = self.left = expected
        self.began = self.ended = 0.0
        self.is_over = asyncio.Event()

    def count(self, _: object = None) -> None:
        """One message less to come."""
        if self.left == self.expected:
            self.began = perf_counter()
        self.left -= 1
        if not self.left:
            self.ended = perf_counter()
            self.is_over.set()

    def measured(self) -> Measured:
        """Once it is over. The first message started the clock, so it doesn't count."""
        return Measured(self.expected - 1, self.began, self.ended)


class Stopwatch(Tally):
    """Measures each message besides, from its publish to its handling."""

    def __init__(self, expected: int) -> None:
        super().__init__(expected)
        self._published = [0.0] * expected
        self._waits: list[float] = []

    def start(self, order: Order) -> None:
        """It is about to be published."""
        self._published[number_of(order)] = perf_counter()

    def stop(self, order: Order) -> None:
        """It is being handled."""
        self._waits.append(perf_counter() - self._published[number_of(order)])
        self.count()

    def measured(self) -> Measured:
        """Once it is over."""
        return Measured(self.expected, self.began, self.ended, self._waits)


async def in_window(
    task: Task, model: type[M], publish: Callable[[M], Awaitable[object]]
) -> Measured:
    """Publish all of a task's messages, `window` at a time."""
    messages = list(orders(task.count, task.size, model))
    left = iter(messages)

    async def one_after_another() -> None:
        for message in left:
            await publish(message)

    began = perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(task.window)))
    return Measured(task.count, began, perf_counter())


async def there_and_back(
    task: Task, model: type[M], publish: Callable[[M], Awaitable[object]], answers: Tally
) -> Measured:
    """Publish all of a task's messages, and measure until the last answer was handled."""
    published = await in_window(task, model, publish)
    await answers.is_over.wait()
    return Measured(task.count, published.began, answers.ended)


async def at_rate(
    task: Task,
    model: type[M],
    publish: Callable[[M], Coroutine[None, None, object]],
    watch: Stopwatch,
) -> Measured:
    """Publish `rate` messages a second, confirmed or not, and measure until all are handled."""
    async with asyncio.TaskGroup() as publishes:
        async for message in _paced(list(orders(task.count, task.size, model)), task.rate):
            watch.start(message)
            publishes.create_task(publish(message))
    await watch.is_over.wait()
    return watch.measured()


async def _paced(messages: Sequence[T], rate: int) -> AsyncIterator[T]:
    """Each at its time. Late ones come at once, so the rate is kept."""
    began = perf_counter()
    for number, message in enumerate(messages):
        await asyncio.sleep(began + number / rate - perf_counter())
        yield message


def perform(version: str, **works: Work) -> None:
    """Do what the command line says, and print the answer."""
    task = Task.from_json(sys.argv[1])
    work = works[task.action](task)
    measured = work if isinstance(work, Measured) else asyncio.run(work)
    answer = Answer(
        count=measured.count,
        began=measured.began,
        ended=measured.ended,
        waits=[seconds * 1000 for seconds in measured.waits],
        is_confirmed=measured.is_confirmed,
        version=version,
        peak=peak_memory(),
    )
    print(answer.to_json())


def peak_memory() -> float:
    """In MB: the high-water mark of this program alone, not of what started it (proc(5))."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e6
