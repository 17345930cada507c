"""The answers over HTTP, for a service on a broker in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.unit.orders import OrderPlaced, ShipOrder
from toolkit import Consumer, Context, Service, Settings
from toolkit.health.app import health_app
from toolkit.health.watchdog import Watchdog
from toolkit.topology.declarations import Queue
from toolkit.transport.memory import MemoryBroker, MemoryTransport, VirtualClock
from toolkit.transport.memory.clock import let_the_loop_turn
from toolkit.transport.port import Transport

DOWN = timedelta(seconds=20)
SHIP = "shop.ship"


class SendConfirmation(Consumer[OrderPlaced]):
    """One consumer."""

    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


class Ship(Consumer[ShipOrder]):
    """Another one."""

    async def handle(self, message: ShipOrder, context: Context) -> None: ...


class Shop:
    """A service, its broker, and who asks for its health."""

    def __init__(self, client: httpx.AsyncClient, service: Service) -> None:
        self.client = client
        self.service = service
        self.clock = VirtualClock()
        self.broker = MemoryBroker(clock=self.clock)

    async def start(self) -> None:
        def connect(name: str, *_: object) -> Transport:
            return MemoryTransport(self.broker, service=name)

        await self.service.start(connect=connect)

    async def ask(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        answer = await self.client.get(path)
        return answer.status_code, answer.json()["problems"]

    async def statuses(self) -> list[int]:
        return [(await self.ask(path))[0] for path in ("/livez", "/readyz", "/startupz")]


@asynccontextmanager
async def opened(lifespan: Any = None) -> AsyncIterator[Shop]:
    """Not started yet."""
    around = {"lifespan": lifespan} if lifespan else {}
    service = Service("shop", consumers=[SendConfirmation(), Ship()], settings=Settings(), **around)
    app = health_app([service], Watchdog(timedelta(hours=1)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield Shop(client, service)
        await service.stop()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Running."""
    async with opened() as shop:
        await shop.start()
        yield shop


async def test_a_running_service_is_alive_ready_and_started(shop: Shop) -> None:
    """Three times 200."""
    assert await shop.statuses() == [200, 200, 200]


async def test_a_lost_connection_is_named_with_all_that_it_takes_along(shop: Shop) -> None:
    """Since when; alive all the same, and ready once it is back."""
    shop.clock.jump(timedelta(seconds=5))
    shop.broker.drop_connection("shop", down_for=DOWN)
    status, problems = await shop.ask("/readyz")
    assert status == 503
    assert [(problem["name"], problem["state"]) for problem in problems] == [
        ("publish and consume", "disconnected"),
        ("shop.send-confirmation", "unregistered"),
        (SHIP, "unregistered"),
    ]
    assert {problem["since"] for problem in problems} == {"2026-01-01T00:00:05.000+00:00"}
    assert await shop.statuses() == [200, 503, 200]
    await shop.clock.advance(DOWN)
    assert await shop.statuses() == [200, 200, 200]


async def test_a_queue_that_is_gone_is_named_alone(shop: Shop) -> None:
    """Until its consumer has declared it again."""
    shop.broker.delete_queue(SHIP)
    _, problems = await shop.ask("/readyz")
    assert [problem["name"] for problem in problems] == [SHIP]
    assert "its queue is gone" in problems[0]["reason"]
    await let_the_loop_turn()
    assert await shop.statuses() == [200, 200, 200]


async def test_a_queue_with_other_arguments_is_named_with_the_difference(shop: Shop) -> None:
    """It is consumed; what somebody has made of it is said until it is as declared."""
    shop.broker.delete_queue(SHIP)
    shop.broker.declare_queue(SHIP, arguments=Queue(SHIP, max_length=7).arguments((4, 0)))
    await let_the_loop_turn()
    status, [problem] = await shop.ask("/readyz")
    assert status == 503
    assert (problem["name"], problem["state"]) == (SHIP, "drifted")
    assert "x-max-length should be nothing, the broker has 7" in problem["reason"]
    assert not shop.service.missing
    shop.broker.delete_queue(SHIP)
    await let_the_loop_turn()
    assert await shop.statuses() == [200, 200, 200]


async def test_a_service_is_not_ready_before_it_has_started_and_from_when_it_stops() -> None:
    """Alive from the first moment to the last; one that is asked to stop at once has no more."""
    seen: dict[str, list[int]] = {}
    states: list[str] = []

    @asynccontextmanager
    async def look_around(_: Service) -> AsyncIterator[None]:
        seen["starting"] = await observed.statuses()
        states.append((await observed.ask("/readyz"))[1][0]["state"])
        yield
        states.append((await observed.ask("/readyz"))[1][0]["state"])
        seen["stopping"] = await observed.statuses()

    async with opened(look_around) as observed:
        seen["before"] = await observed.statuses()
        await observed.start()
        await observed.service.stop()
        seen["after"] = await observed.statuses()
    assert seen == {
        "before": [200, 503, 503],
        "starting": [200, 503, 503],
        "stopping": [200, 503, 200],
        "after": [200, 503, 503],
    }
    assert states == ["starting", "stopping"]


async def test_only_questions_are_answered(shop: Shop) -> None:
    """HEAD as GET, without a body; nothing is kept by anybody on the way."""
    head = await shop.client.head("/readyz")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Cache-Control"] == "no-store"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await shop.client.request(method, "/readyz")).status_code == 405
    assert (await shop.client.get("/")).status_code == 404
