"""In one process a publisher gets no further ahead of a consumer than its window."""

from collections.abc import Iterator

from toolkit import Consumer, Context, Event, Producer, Publishes, Service, Settings

MANY = 10_000
WINDOW = 256


class Ticked(Event, name="clock.ticked"):
    number: int


class Ticks(Producer):
    ticked = Publishes(Ticked)


class Count(Consumer[Ticked]):
    concurrency = 32

    def __init__(self) -> None:
        self.handled = 0

    async def handle(self, message: Ticked, context: Context) -> None:
        self.handled += 1


async def test_handlers_that_wait_for_nothing_keep_pace() -> None:
    """Otherwise what waits between the two would fill the memory, and with it a test's queues."""
    consumer = Count()
    service = Service(
        "clock",
        consumers=[consumer],
        producers=[Ticks],
        settings=Settings(amqp_url="memory://pace"),
    )
    ahead = 0

    def ticks() -> Iterator[Ticked]:
        nonlocal ahead
        for number in range(MANY):
            ahead = max(ahead, number - consumer.handled)
            yield Ticked(number=number)

    async with service:
        report = await Ticks(service).ticked.many(ticks(), window=WINDOW)
    assert report.confirmed == MANY
    assert ahead <= 4 * WINDOW
