"""After trouble, everything that it needed is gone: tasks, channels, connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.hostile.management import VirtualHost
from tests.hostile.shop import QUEUE, OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually
from toolkit import Context, KillSwitch, Retry, Service

TIMES = 8
STATISTICS = 20  # seconds: the broker's own lag behind by five


class Moody(Take):
    """Fails while it is told to; its switch trips soon."""

    retry = Retry(immediately=0, after=("1s",) * 20)
    kill_switch = KillSwitch(share=0.1, minimum=2, window="10s", pause="50ms")
    is_down = False

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        if self.is_down:
            raise ConnectionError("down")
        await super().handle(message, context)


@asynccontextmanager
async def nothing_left(service: Service, virtual_host: VirtualHost) -> AsyncIterator[None]:
    """Compares tasks and channels before and after."""

    async def channels() -> int:
        return await asyncio.to_thread(virtual_host.channels)

    await eventually(lambda: not service.missing)
    before = await steady(channels)
    tasks = len(asyncio.all_tasks())
    yield
    await eventually(lambda: not service.missing)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks, within=STATISTICS)
    assert await steady(channels, at_most=before) <= before


async def steady(ask: Callable[[], Awaitable[int]], at_most: int | None = None) -> int:
    """The broker's statistics, once they show channels, and no more than there should be."""
    found = 0
    for _ in range(STATISTICS):
        found = await ask()
        if found and (at_most is None or found <= at_most):
            break
        await asyncio.sleep(1)
    return found


async def test_cut_connections_leave_nothing_behind(virtual_host: VirtualHost) -> None:
    """Each is replaced, with its channels."""
    url = virtual_host.url_for()
    async with shop_service(url, Take(), producers=[Orders]) as service:
        await Orders(service).placed(OrderPlaced(number=0))
        async with nothing_left(service, virtual_host):
            for number in range(TIMES):
                virtual_host.kill_connections(url)
                await eventually(lambda: service.missing)
                await Orders(service).placed(OrderPlaced(number=number))
                await eventually(lambda: not service.missing)


async def test_deleted_queues_leave_nothing_behind(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Each time the consumer gets another channel."""
    async with (
        shop_service(amqp_url, Take(), producers=[Orders]) as service,
        nothing_left(service, virtual_host),
    ):
        for _ in range(TIMES):
            virtual_host.delete_queue(QUEUE)
            await eventually(lambda: QUEUE in service.missing)
            await eventually(lambda: not service.missing)


async def test_a_kill_switch_leaves_nothing_behind(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Suspending and resuming take a channel each time, and give it back."""
    consumer = Moody()
    async with (
        shop_service(amqp_url, consumer, producers=[Orders]) as service,
        nothing_left(service, virtual_host),
    ):
        for number in range(TIMES):
            consumer.is_down = True
            await Orders(service).placed.many([OrderPlaced(number=number)] * 4)
            await eventually(lambda: service.suspended)
            consumer.is_down = False
            await eventually(lambda: not service.suspended)
        await eventually(lambda: len(consumer.handled) == 4 * TIMES)
