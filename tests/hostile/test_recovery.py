"""Connections cut, queues deleted, brokers gone: it heals by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.hostile.fields import long, properties
from tests.hostile.management import VirtualHost
from tests.hostile.proxy import Proxy
from tests.hostile.shop import DEAD, QUEUE, OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import answer, eventually, glimpse
from tests.hostile.wire import Wire
from toolkit import Context, PublishTimeoutError, QueueOptions, Service
from toolkit.testing.broker import Broker

ORDERS = 2_000
CONSUME_OK = b"\x00\x3c\x00\x15"  # class 60, method 21


class Busy(Take):
    """Counts how many messages it handles at once."""

    def __init__(self, **declared: Any) -> None:
        super().__init__(**declared)
        self.now = 0
        self.most = 0

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        await super().handle(message, context)


class Other(Take):
    """A consumer beside it."""


@asynccontextmanager
async def under_load(
    service: Service, count: int, numbers: list[int]
) -> AsyncIterator[asyncio.Task[None]]:
    """Orders are placed, in both directions, for as long as the block lasts and not shorter."""

    async def place() -> None:
        report = await Orders(service).placed.many(OrderPlaced(number=n) for n in range(count))
        report.raise_for_failures()
        numbers.extend(range(count))

    placing = asyncio.create_task(place())
    try:
        yield placing
    finally:
        await placing


async def test_connections_killed_under_load_lose_nothing(
    virtual_host: VirtualHost, wire: Wire
) -> None:
    """Three times, from the broker's side, with messages going out and coming in: every publish
    is confirmed, every message handled, never more than N at once.
    """
    url = virtual_host.url_for()
    busy, confirmed = Busy(), list[int]()
    async with shop_service(url, busy, producers=[Orders], publish_timeout="30s") as service:
        async with under_load(service, ORDERS, confirmed):
            for enough in (100, 400, 800):
                await eventually(lambda: len(busy.handled) > enough)  # noqa: B023
                virtual_host.kill_connections(url)
                await glimpse(lambda: service.missing)
        await eventually(lambda: set(busy.handled) == set(confirmed), within=20)
    assert len(confirmed) == ORDERS
    assert busy.most <= busy.concurrency
    assert wire.get("shop.busy.dead") is None


async def test_a_handler_outlives_its_connection(virtual_host: VirtualHost, wire: Wire) -> None:
    """What runs is not cancelled by a cut, and what it finished is not done again."""
    url = virtual_host.url_for()
    gate = asyncio.Event()

    class Wait(Busy):
        concurrency = 1

        async def handle(self, message: OrderPlaced, context: Context) -> None:
            self.now += 1
            self.most = max(self.most, self.now)
            await gate.wait()
            self.now -= 1
            self.handled.append(message.number)

    consumer = Wait()
    async with shop_service(url, consumer, producers=[Orders]) as service:
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: consumer.now)
        virtual_host.kill_connections(url)
        await glimpse(lambda: service.missing)
        await eventually(lambda: not service.missing)
        gate.set()
        await eventually(lambda: consumer.handled == [1])
    assert consumer.most == 1
    assert wire.get("shop.wait") is None


async def test_a_deleted_queue_is_declared_and_consumed_again(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """The consumer beside it goes on meanwhile, on the very same connection."""
    take, other = Take(), Other()
    async with shop_service(amqp_url, take, other, producers=[Orders]) as service:
        orders = Orders(service)
        for number in range(3):
            virtual_host.delete_queue(QUEUE)
            await glimpse(lambda: QUEUE in service.missing)
            assert "shop.other" not in service.missing
            await eventually(lambda: not service.missing)
            await orders.placed(OrderPlaced(number=number))
        await eventually(lambda: take.handled == other.handled == [0, 1, 2])


async def test_a_message_whose_dead_letter_queue_is_gone_waits_for_it(
    amqp_url: str, wire: Wire, virtual_host: VirtualHost
) -> None:
    """It stays in its queue until somebody puts the other one back; nothing else is held up."""
    take = Take()
    hostile = properties(timestamp=2**64 - 1, type=b"\xff", headers={b"\xff": long(b"\xff")})
    async with shop_service(amqp_url, take, producers=[Orders]) as service:
        virtual_host.delete_queue(DEAD)
        wire.publish("", QUEUE.encode(), hostile, b"unreadable")
        orders = Orders(service)
        report = await orders.placed.many(OrderPlaced(number=n) for n in range(100))
        assert report.confirmed == 100
        await eventually(lambda: len(take.handled) == 100)
        virtual_host.add_queue(DEAD, x_queue_type="quorum")
        dead = await answer(lambda: wire.get(DEAD), within=20)
    assert dead.text("dead-reason") == "unhandled"


async def test_a_half_open_connection_is_noticed_by_its_heartbeat(amqp_url: str) -> None:
    """Nothing comes and nothing is closed: after a few heartbeats it is given up and replaced."""
    take = Take()
    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, take, producers=[Orders], heartbeat="1s") as service,
    ):
        proxy.hold()
        placing = asyncio.create_task(Orders(service).placed(OrderPlaced(number=1)))
        await eventually(lambda: service.missing, within=15)
        proxy.cut()
        proxy.resume()
        await placing
        await eventually(lambda: take.handled and not service.missing)


@pytest.mark.reads_the_wire
async def test_a_stop_in_the_middle_of_a_registration_dead_letters_nothing(
    amqp_url: str, wire: Wire
) -> None:
    """The broker has a consumer that the service doesn't know of yet; what it sends there goes
    back once, not back and forth until the delivery limit.
    """
    running, gate = asyncio.Event(), asyncio.Event()

    class Hold(Take):
        queue = QueueOptions()

        async def handle(self, message: OrderPlaced, context: Context) -> None:
            running.set()
            await gate.wait()

    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, Hold(concurrency=1), producers=[Orders]) as service,
    ):
        await Orders(service).placed.many(OrderPlaced(number=number) for number in range(20))
        await running.wait()
        proxy.hold_at = CONSUME_OK
        proxy.cut()
        await proxy.reached.wait()
        stopping = asyncio.create_task(service.stop())
        await asyncio.wait({stopping}, timeout=0.2)
        proxy.resume()
        await asyncio.wait({stopping}, timeout=0.5)
        gate.set()
        await stopping
    await eventually(lambda: wire.count("shop.hold") + wire.count("shop.hold.dead") >= 19)
    assert wire.count("shop.hold.dead") == 0


@asynccontextmanager
async def alarm(broker: Broker) -> AsyncIterator[None]:
    """The broker runs short of memory, and says so."""
    broker.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        broker.ctl("set_vm_memory_high_watermark", "0.6")


async def test_an_alarm_blocks_publishers_and_lets_consumers_finish(
    private_broker: Broker, private_amqp_url: str
) -> None:
    """A publish ends with its timeout; what is queued is handled; afterwards all is well."""
    take = Take(concurrency=1)
    async with shop_service(private_amqp_url, take, producers=[Orders]) as service:
        orders = Orders(service)
        await orders.placed.many(OrderPlaced(number=number) for number in range(200))
        async with alarm(private_broker):
            with pytest.raises(PublishTimeoutError):
                await orders.placed(OrderPlaced(number=1_000), timeout="1s")
            await eventually(lambda: len(take.handled) >= 200)
        assert await orders.placed(OrderPlaced(number=1_001), timeout="15s")


async def test_a_broker_restarted_under_load_loses_no_confirmed_message(
    private_broker: Broker, private_amqp_url: str
) -> None:
    """It comes back with what it had confirmed, and the service with it, by itself."""
    busy, confirmed = Busy(), list[int]()
    async with shop_service(
        private_amqp_url, busy, producers=[Orders], publish_timeout="60s"
    ) as service:
        async with under_load(service, ORDERS, confirmed):
            await eventually(lambda: len(busy.handled) > 100)
            await asyncio.to_thread(private_broker.restart)
        await eventually(lambda: set(busy.handled) == set(confirmed), within=30)
        await eventually(lambda: not service.missing, within=30)
    assert len(confirmed) == ORDERS
    assert busy.most <= busy.concurrency
