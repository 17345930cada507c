"""After trouble, everything that it needed is gone: tasks, channels, connections, memory."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.hostile.management import VirtualHost
from tests.hostile.shop import QUEUE, OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually, glimpse
from toolkit import Context, KillSwitch, Retry, Service

TIMES = 8
STATISTICS = 20  # seconds: the broker's own lag behind by five
LAG = TIMES // 2  # channels that the statistics know too late; a leak is one for each fault
NOISE = 100  # objects per fault, from caches that fill; a channel or a task kept alive has more


class Moody(Take):
    """Fails while it is told to; its switch trips soon."""

    retry = Retry(immediately=0, after=("1s",) * 20)
    kill_switch = KillSwitch(share=0.1, minimum=2, window="10s", pause="50ms")
    is_down = False

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        if self.is_down:
            raise ConnectionError("down")
        await super().handle(message, context)


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Pytest keeps every record of a test, with all that it mentions."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def nothing_is_left(
    fault: Callable[[], Awaitable[None]], service: Service, virtual_host: VirtualHost
) -> None:
    """Compares tasks, channels and objects, before and after, once caches are warm."""

    async def channels() -> int:
        return await asyncio.to_thread(virtual_host.channels)

    await repeated(fault, service)
    before = await steady(channels)
    tasks, objects = len(asyncio.all_tasks()), alive()
    await repeated(fault, service)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks, within=STATISTICS)
    assert await steady(channels, at_most=before + LAG) <= before + LAG
    # A connection that was cut takes a moment to fall apart.
    await eventually(lambda: alive() - objects < TIMES * NOISE, within=STATISTICS)


async def repeated(fault: Callable[[], Awaitable[None]], service: Service) -> None:
    for _ in range(TIMES):
        await fault()
        await eventually(lambda: not service.missing and not service.suspended)


async def is_glimpsed(condition: Callable[[], object]) -> bool:
    """Whether it is true at some moment of the next second."""
    try:
        await glimpse(condition, within=1)
    except TimeoutError:
        return False
    return True


def alive() -> int:
    gc.collect()
    return len(gc.get_objects())


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

        async def cut() -> None:
            virtual_host.kill_connections(url)
            # The management API doesn't know at once of a connection that is new.
            while not await is_glimpsed(lambda: service.missing):
                virtual_host.kill_connections(url)
            await Orders(service).placed(OrderPlaced(number=0))

        await nothing_is_left(cut, service, virtual_host)


async def test_deleted_queues_leave_nothing_behind(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Each time the consumer gets another channel."""
    async with shop_service(amqp_url, Take(), producers=[Orders]) as service:

        async def delete() -> None:
            virtual_host.delete_queue(QUEUE)
            await glimpse(lambda: QUEUE in service.missing)

        await nothing_is_left(delete, service, virtual_host)


async def test_a_kill_switch_leaves_nothing_behind(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Suspending and resuming take a channel each time, and give it back."""
    consumer = Moody()
    async with shop_service(amqp_url, consumer, producers=[Orders]) as service:

        async def trip() -> None:
            consumer.is_down = True
            await Orders(service).placed.many([OrderPlaced(number=0)] * 4)
            await glimpse(lambda: service.suspended)
            consumer.is_down = False
            await eventually(lambda: not service.suspended)

        await nothing_is_left(trip, service, virtual_host)
        await eventually(lambda: len(consumer.handled) == 4 * 2 * TIMES)
