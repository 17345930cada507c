"""Consumers begin one after the other, and end together, whenever they are told to."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from tests.shop import Gate, Handle, Placed, ShopEvents
from toolkit import Consumer, Context, Service, Settings
from toolkit.service.connect import by_address
from toolkit.transport.memory import MemoryBroker, MemoryTransport, broker_named
from toolkit.transport.memory.clock import let_the_loop_turn
from toolkit.transport.memory.consume import MemorySubscriber
from toolkit.transport.port import Delivery, Transport


class Late(Consumer[Placed]):
    """Begins after the other."""

    async def handle(self, message: Placed, context: Context) -> None: ...


class SlowToBegin(MemoryTransport):
    """A broker whose second consumer takes its time."""

    async def subscribe(
        self, queue: str, *, prefetch: int, deliver: Callable[[Delivery], None]
    ) -> MemorySubscriber:
        if queue.endswith("late"):
            await asyncio.Event().wait()
        return await super().subscribe(queue, prefetch=prefetch, deliver=deliver)


SETTINGS = Settings(amqp_url="memory://")


async def test_a_stop_in_the_middle_of_a_start_lets_handlers_finish() -> None:
    """What the first consumer has begun is not cut short because the second one isn't there yet."""
    gate = Gate()
    consumer = Handle(gate)
    service = Service("shop", consumers=[consumer, Late()], settings=SETTINGS)
    await fill(service)

    def connect(name: str, settings: Settings, *_: object) -> Transport:
        return SlowToBegin(broker_of(settings), service=name)

    starting = asyncio.create_task(service.start(connect=connect))
    await gate.entered.acquire()
    starting.cancel()
    await let_the_loop_turn()
    gate.is_open.set()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert consumer.done == [1]
    assert not service.is_running


async def test_a_stop_that_is_cancelled_leaves_nothing_open() -> None:
    """It waits no longer for handlers, and ends all the same."""
    gate = Gate()
    service = Service("shop", consumers=[Handle(gate)], settings=SETTINGS)
    await fill(service)
    await service.start()
    await gate.entered.acquire()
    stopping = asyncio.create_task(service.stop(timedelta(hours=1)))
    await let_the_loop_turn()
    stopping.cancel()
    await asyncio.wait({stopping})
    assert not service.is_running
    assert service.busy == 0


async def fill(service: Service) -> None:
    """One order waits before the service begins."""
    transport = by_address("shop", SETTINGS, True)
    await transport.open(service.topology)
    await transport.close()
    async with Service("desk", producers=[ShopEvents], settings=SETTINGS) as desk:
        await ShopEvents(desk).placed(Placed(number=1))


def broker_of(settings: Settings) -> MemoryBroker:
    return broker_named(settings.urls[0])
