"""The address decides which broker a service talks to."""

import asyncio

from tests.shop import Handle, Placed, ShopEvents, shop
from toolkit import Retry, Service, Settings
from toolkit.service.connect import by_address
from toolkit.transport.memory import MemoryTransport
from toolkit.transport.memory.clock import let_the_loop_turn
from toolkit.transport.rabbitmq import RabbitTransport


async def test_services_at_one_address_in_memory_hear_each_other() -> None:
    """Each a service of its own, over one bus, without any server."""
    heard = Handle()
    told = Service("shop", producers=[ShopEvents], settings=Settings(amqp_url="memory://one"))
    async with shop("memory://one", heard), told:
        await ShopEvents(told).placed(Placed(number=7))
        while not heard.done:
            await asyncio.sleep(0)
    assert heard.done == [7]


async def test_services_at_different_addresses_do_not() -> None:
    """A name is a broker of its own."""
    heard = Handle()
    told = Service("shop", producers=[ShopEvents], settings=Settings(amqp_url="memory://two"))
    async with shop("memory://one", heard), told:
        await ShopEvents(told).placed(Placed(number=7))
        await let_the_loop_turn()
    assert heard.done == []


async def test_what_lies_in_a_queue_outlasts_the_service() -> None:
    """As with any broker."""
    async with shop("memory://", Handle()):
        pass
    async with Service("o", producers=[ShopEvents], settings=Settings(amqp_url="memory://")) as o:
        await ShopEvents(o).placed(Placed(number=7))
    heard = Handle()
    async with shop("memory://", heard):
        while not heard.done:
            await asyncio.sleep(0)


def test_the_next_event_loop_finds_an_empty_broker() -> None:
    """A broker belongs to one loop, so no test hears of another."""

    async def declare_and_count() -> int:
        settings = Settings(amqp_url="memory://")
        transport = by_address("shop", settings, True)
        assert isinstance(transport, MemoryTransport)
        service = shop("memory://", Handle(retry=Retry(immediately=0, after=())))
        await transport.open(service.topology)
        await service.start()
        await service.stop()
        async with Service("o", producers=[ShopEvents], settings=settings) as other:
            await ShopEvents(other).placed(Placed(number=7))
        return await transport.count("shop.handle")

    assert asyncio.run(declare_and_count()) == 1
    assert asyncio.run(declare_and_count()) == 1


def test_any_other_address_is_a_rabbitmq() -> None:
    """Several nodes of one, at most."""
    settings = Settings(amqp_url="amqp://one/,amqps://two/")
    assert isinstance(by_address("shop", settings, True), RabbitTransport)
