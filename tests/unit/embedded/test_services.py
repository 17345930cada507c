"""What the toolkit's own services do with it, on both lanes."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import aio_pika
import pytest

from tests.outsider import eventually, outside
from tests.proxy import lying_network
from tests.shop import Behaviour, Gate, Handle, Placed, ShopEvents, shop
from toolkit import Context, Retry
from toolkit.embedded import EmbeddedBroker
from toolkit.errors import AccessRefusedError, ConfigurationError

MANY = 10_000


@pytest.fixture(autouse=True, params=["fast", "plain"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each holds on both."""
    monkeypatch.setenv("TOOLKIT_LANE", request.param)
    return str(request.param)


def failing(times: int) -> Behaviour:
    """Fails so often before it succeeds."""
    left = times

    async def behave(message: Placed, _: Context) -> None:
        nonlocal left
        if left:
            left -= 1
            raise OSError(f"order {message.number}")

    return behave


async def test_delays_pass_on_it_by_the_real_clock(broker: EmbeddedBroker) -> None:
    """A rung of the ladder is a queue of which messages expire in time."""
    consumer = Handle(failing(1), retry=Retry(immediately=0, after=("1s",)))
    async with shop(broker.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        await eventually(lambda: consumer.done == [1])
    waited = [later.at - earlier.at for earlier, later in pairwise(consumer.seen)]
    assert waited[0] >= timedelta(seconds=1)


async def test_a_dead_letter_waits_in_its_queue(broker: EmbeddedBroker) -> None:
    """Where any client finds it."""
    consumer = Handle(failing(9), retry=Retry(immediately=0, after=()))
    async with shop(broker.url, consumer) as service, outside(broker.url) as outsider:
        await ShopEvents(service).placed(Placed(number=7))
        letter = await outsider.take("shop.handle.dead")
    assert letter.headers["error-message"] == "order 7"


async def test_restarting_a_service_loses_no_message(broker: EmbeddedBroker) -> None:
    """What it held and what came meanwhile is there for the next."""
    gate, second = Gate(), Handle()
    first = shop(broker.url, Handle(gate))
    async with first:
        await ShopEvents(first).placed(Placed(number=1))
        await gate.entered.acquire()
        await first.stop(timedelta(milliseconds=10))
    async with outside(broker.url) as outsider:
        await outsider.publish(b'{"number": 2}', routing_key="shop.handle", type="shop.placed")
    async with shop(broker.url, second):
        await eventually(lambda: sorted(second.done) == [1, 2])


async def test_a_service_comes_back_after_its_connections_were_cut(
    broker: EmbeddedBroker,
) -> None:
    """And goes on consuming and publishing."""
    consumer = Handle()
    async with lying_network(broker.url) as proxy, shop(proxy.url, consumer) as service:
        await ShopEvents(service).placed(Placed(number=1))
        proxy.cut()
        await ShopEvents(service).placed(Placed(number=2))
        await eventually(lambda: sorted(consumer.done) == [1, 2])


async def test_a_publish_whose_confirm_is_lost_is_published_again(broker: EmbeddedBroker) -> None:
    """The faults of the broker in memory can be ordered here, too."""
    async with shop(broker.url) as service, outside(broker.url) as outsider:
        queue = await outsider.channel.declare_queue("all")
        await queue.bind("events", "#")
        broker.memory.lose_confirm()
        await ShopEvents(service).placed(Placed(number=1))
        assert await outsider.count("all") == 2


async def test_ten_thousand_messages_come_out_once_each(broker: EmbeddedBroker, lane: str) -> None:
    """And nothing is left of them; the plain lane takes a tenth, for it takes its time."""
    many = MANY if lane == "fast" else MANY // 10
    consumer = Handle(concurrency=50, prefetch=200)
    async with shop(broker.url, consumer) as service:
        report = await ShopEvents(service).placed.many(Placed(number=n) for n in range(many))
        await eventually(lambda: len(consumer.done) >= many, within=60)
    assert not report.failures
    assert Counter(consumer.done) == Counter(range(many))
    assert not broker.memory.queue("shop.handle").ready
    assert not broker.memory.unacked


async def test_a_service_is_told_of_a_wrong_password(broker: EmbeddedBroker) -> None:
    """At once, as an error that no waiting mends."""
    with pytest.raises(AccessRefusedError, match="refused user 'guest'"):
        await shop(broker.url.replace("guest:guest", "guest:wrong")).start()


async def test_a_port_that_is_taken_is_a_matter_of_configuration(broker: EmbeddedBroker) -> None:
    """The error says which port, and what to do."""
    port = int(broker.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"127.0.0.1, port {port}(.|\n)*or 0 for any"):
        async with EmbeddedBroker(port=port):
            pass


async def test_clients_are_told_that_it_goes() -> None:
    """With the reason that RabbitMQ gives, and it doesn't wait for who doesn't answer."""
    async with EmbeddedBroker() as broker:
        connection = await aio_pika.connect(broker.url)
        closed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        connection.close_callbacks.add(lambda _, reason: closed.set_result(reason))
    assert "CONNECTION_FORCED" in str(await closed)
