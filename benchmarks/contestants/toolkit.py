"""The toolkit, on the lane that TOOLKIT_LANE names or on the broker in memory.

Receives a task, hands it to services as anyone would write them. The stage has it declare the
queues that all contestants use.
"""

from collections.abc import Callable
from importlib.metadata import version

from benchmarks.measure import (
    Measured,
    Stopwatch,
    Tally,
    at_rate,
    in_window,
    perform,
    there_and_back,
)
from benchmarks.message import Order, orders
from benchmarks.task import Task
from toolkit import (
    Consumer,
    Context,
    Event,
    Producer,
    Publishes,
    QueueOptions,
    Service,
    Settings,
    configure_logging,
)


class OrderPlaced(Order, Event, name="bench.placed"):
    """What the others publish, too."""


class OrderNoted(Order, Event, name="bench.noted"):
    """The answer to it."""


class OrderEvents(Producer):
    """What is published."""

    placed = Publishes(OrderPlaced)


class Take(Consumer[OrderPlaced]):
    """Handles orders from the queue with this number."""

    def __init__(
        self, task: Task, take: Callable[[Order], object] = lambda _: None, *, number: int = 0
    ) -> None:
        self.queue = QueueOptions(name=f"bench.orders.{number}", type=task.queue_type)
        self.concurrency = self.prefetch = task.prefetch
        self._take = take

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Nothing to wait for."""
        self._take(message)


class Note(Take):
    """Answers orders from its handler."""

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Published once this has returned, and before the order is acked."""
        await context.publish(OrderNoted(**dict(message)))


class Close(Consumer[OrderNoted]):
    """Handles the answers."""

    def __init__(self, task: Task, tally: Tally) -> None:
        self.queue = QueueOptions(name=task.answer_queue)
        self.concurrency = self.prefetch = task.prefetch
        self._tally = tally

    async def handle(self, message: OrderNoted, context: Context) -> None:
        """One answer less to come."""
        self._tally.count()


def bench(task: Task, *consumers: Consumer[OrderPlaced]) -> Service:
    """A service that publishes, and consumes if it is to."""
    return Service("bench", consumers=consumers, producers=[OrderEvents], settings=_settings(task))


def _settings(task: Task) -> Settings:
    return Settings(amqp_url=task.url)


async def declare(task: Task) -> None:
    """All that a task needs on the broker, in the way of any service: by starting once."""
    consumers = [Take(task, number=number) for number in range(task.queues)]
    closing = Service("orders", consumers=[Close(task, Tally(1))], settings=_settings(task))
    async with bench(task, *consumers), closing:
        pass


async def publish(task: Task) -> Measured:
    """A window of tasks."""
    await _prepare(task)
    async with bench(task) as service:
        return await in_window(task, OrderPlaced, OrderEvents(service).placed)


async def many(task: Task) -> Measured:
    """`many` with a window."""
    await _prepare(task)
    messages = list(orders(task.count, task.size, OrderPlaced))
    tally = Tally(2)
    async with bench(task) as service:
        events = OrderEvents(service)
        tally.count()
        report = await events.placed.many(messages, window=task.window)
        tally.count()
    report.raise_for_failures()
    return Measured(task.count, tally.began, tally.ended)


async def consume(task: Task) -> Measured:
    """A consumer for each queue."""
    await _prepare(task)
    if _is_in_memory(task):
        async with bench(task) as service:
            messages = orders(task.count, task.size, OrderPlaced)
            (await OrderEvents(service).placed.many(messages)).raise_for_failures()
    tally = Tally(task.count)
    consumers = [Take(task, tally.count, number=number) for number in range(task.queues)]
    async with bench(task, *consumers):
        await tally.is_over.wait()
    return tally.measured()


async def round_trip(task: Task) -> Measured:
    """Two services."""
    tally = Tally(task.count)
    notifications = Service("notifications", consumers=[Note(task)], settings=_settings(task))
    asking = Service(
        "orders",
        consumers=[Close(task, tally)],
        producers=[OrderEvents],
        settings=_settings(task),
    )
    async with notifications, asking:
        return await there_and_back(task, OrderPlaced, OrderEvents(asking).placed, tally)


async def latency(task: Task) -> Measured:
    """One service for both ways."""
    watch = Stopwatch(task.count)
    async with bench(task, Take(task, watch.stop)) as service:
        return await at_rate(task, OrderPlaced, OrderEvents(service).placed, watch)


async def _prepare(task: Task) -> None:
    if _is_in_memory(task):
        await declare(task)


def _is_in_memory(task: Task) -> bool:
    return _settings(task).is_in_memory


if __name__ == "__main__":
    configure_logging(level="error")
    perform(
        version("rabbit-toolkit"),
        publish=publish,
        many=many,
        consume=consume,
        round_trip=round_trip,
        latency=latency,
    )
