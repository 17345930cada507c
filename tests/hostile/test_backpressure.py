"""Neither a slow handler nor a slow network fills this process's memory."""

import asyncio
import gc
from typing import Any

import pytest

from tests.hostile.proxy import Proxy
from tests.hostile.shop import OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually
from toolkit import Command, Context, Producer, Sends, UnroutableError
from toolkit.transport.rabbitmq.settle import RabbitDelivery

QUEUED = 3_000
PREFETCH = 50
LARGE = 100_000  # bytes
MANY = 1_000  # of these, 100 MB together
BUFFERED = 4_000_000  # bytes: what may wait for the network, in this process


class Slow(Take):
    """Handles nothing before it is told to."""

    concurrency = 5
    prefetch = PREFETCH

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        await self.go_on.wait()
        await super().handle(message, context)


async def test_a_slow_handler_holds_no_more_than_its_prefetch(amqp_url: str) -> None:
    """The rest stays with the broker until there is room."""
    consumer = Slow()
    async with shop_service(amqp_url, consumer, producers=[Orders]) as service:
        messages = (OrderPlaced(number=number) for number in range(QUEUED))
        report = await Orders(service).placed.many(messages)
        assert report.confirmed == QUEUED
        held = sum(type(thing) is RabbitDelivery for thing in gc.get_objects())
        assert 0 < held <= PREFETCH
        consumer.go_on.set()
        await eventually(lambda: len(consumer.handled) == QUEUED)
    assert sorted(consumer.handled) == list(range(QUEUED))


class Load(Command, name="orders.load"):
    number: int
    cargo: str


class Loads(Producer):
    loaded = Sends(Load)


@pytest.mark.parametrize("lane", ["fast", "plain"])
async def test_a_publisher_waits_for_the_network(
    amqp_url: str, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing passes for a while: a hundred megabytes are not put into the socket's buffer."""
    monkeypatch.setenv("TOOLKIT_LANE", lane)
    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, Take(), producers=[Loads]) as service,
    ):
        proxy.hold()
        socket = the_socket(service)
        cargo = "x" * LARGE
        publishing = asyncio.create_task(
            Loads(service).loaded.many(
                (Load(number=number, cargo=cargo) for number in range(MANY)), window=MANY
            )
        )
        await eventually(lambda: socket.get_write_buffer_size() > 0)
        for _ in range(20):
            await asyncio.sleep(0)
            assert socket.get_write_buffer_size() < BUFFERED
        proxy.resume()
        await eventually(publishing.done, within=60)
        report = await publishing
        assert len(report.failures) == MANY  # returned, one by one: nobody handles it
        assert socket.get_write_buffer_size() == 0


async def test_who_waits_for_the_network_survives_its_loss(amqp_url: str) -> None:
    """What was not sent yet goes out on the next connection, long before its time is over."""
    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, Take(), producers=[Loads]) as service,
    ):
        proxy.hold()
        socket = the_socket(service)
        cargo = "x" * LARGE
        publishing = asyncio.create_task(
            Loads(service).loaded.many(
                (Load(number=number, cargo=cargo) for number in range(MANY)), window=MANY
            )
        )
        await eventually(lambda: socket.get_write_buffer_size() > 0)
        proxy.cut()
        proxy.resume()
        await eventually(publishing.done, within=60)
        report = await publishing
        assert {type(failure.error) for failure in report.failures} == {UnroutableError}
        assert len(report.failures) == MANY


def the_socket(service: Any) -> asyncio.Transport:
    transport: asyncio.Transport = service._transport._publishing._connection.stream.transport
    return transport
