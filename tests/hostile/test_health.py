"""What a probe is told when queues go, brokers go, and the service is asked to stop."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.hostile.management import VirtualHost
from tests.hostile.process import Process
from tests.hostile.proxy import Proxy
from tests.hostile.shop import QUEUE, OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually
from tests.hostile.wire import Wire
from tests.outsider import outside
from toolkit import Service
from toolkit.health.report import Problem, readiness
from toolkit.health.server import health_served
from toolkit.testing.broker import Broker
from toolkit.testing.broker.ports import choose_free_ports

Answer = tuple[int, list[dict[str, Any]]]


class Other(Take):
    """A consumer beside it."""


class Probe:
    """Who asks for health over HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self, path: str) -> Answer:
        return await asyncio.to_thread(self._ask, path)

    def _ask(self, path: str) -> Answer:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}") as answer:
                return answer.status, json.load(answer)["problems"]
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)["problems"]

    async def until(self, path: str, status: int, *, within: float = 15.0) -> Answer:
        async with asyncio.timeout(within):
            while (answer := await self.ask(path))[0] != status:
                pass
        return answer


@asynccontextmanager
async def probed(url: str, *consumers: Take) -> AsyncIterator[tuple[Service, Probe]]:
    """A service, and its health on a port."""
    (port,) = choose_free_ports(1)
    service = shop_service(url, *consumers, producers=[Orders], health_port=port)
    async with health_served([service]), service:
        yield service, Probe(port)


def states(service: Service) -> list[str]:
    return [problem.state for problem in not_ready(service)]


def not_ready(service: Service) -> tuple[Problem, ...]:
    return readiness([service.condition]).problems


async def test_a_deleted_queue_is_named_while_the_other_consumer_goes_on(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """With the reason, until it is declared and then consumed again, at the first try."""
    take, other = Take(), Other()
    async with shop_service(amqp_url, take, other, producers=[Orders]) as service:
        assert not not_ready(service)
        with capture_logs() as logs:
            virtual_host.delete_queue(QUEUE)
            await eventually(lambda: not_ready(service))
            (problem,) = not_ready(service)
            await eventually(lambda: not not_ready(service))
        assert [entry["event"] for entry in logs] == [
            "consumer lost",
            "consumer registered again",
        ]
        assert (problem.kind, problem.name, problem.state) == ("consumer", QUEUE, "unregistered")
        assert problem.reason is not None
        assert "deleted" in problem.reason
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == other.handled == [1])


async def test_a_queue_with_other_arguments_is_named_while_the_other_consumer_goes_on(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Somebody replaced it while the service was cut off. Once it is gone, all is well again."""
    take, other = Take(), Other()
    async with Proxy.before(amqp_url) as proxy, probed(proxy.url, take, other) as (service, probe):
        proxy.close()
        await eventually(lambda: len(service.missing) == 2)
        virtual_host.delete_queue(QUEUE)
        virtual_host.add_queue(QUEUE, x_queue_type="quorum", x_max_length=7)
        proxy.reopen()
        await eventually(lambda: states(service) == ["drifted"], within=20)
        status, [problem] = await probe.ask("/readyz")
        assert status == 503
        assert (problem["name"], problem["state"]) == (QUEUE, "drifted")
        assert "x-max-length should be nothing, the broker has 7" in problem["reason"]
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == other.handled == [1])
        virtual_host.delete_queue(QUEUE)
        await probe.until("/readyz", 200)
        await Orders(service).placed(OrderPlaced(number=2))
        await eventually(lambda: take.handled == [1, 2])


async def test_a_queue_with_other_arguments_keeps_no_other_from_coming_back(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """One was replaced and one is gone when the service returns: the second is made again."""
    take, other = Take(), Other()
    async with Proxy.before(amqp_url) as proxy, probed(proxy.url, take, other) as (service, _):
        proxy.close()
        await eventually(lambda: len(service.missing) == 2)
        virtual_host.delete_queue(QUEUE)
        virtual_host.add_queue(QUEUE, x_queue_type="quorum", x_max_length=7)
        virtual_host.delete_queue("shop.other")
        proxy.reopen()
        await eventually(lambda: not service.missing, within=20)
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: other.handled == [1])


async def test_a_queue_that_nobody_may_consume_is_named_while_the_other_consumer_goes_on(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """It belongs to another connection now: refused again and again, and said since when."""
    take, other = Take(), Other()
    async with (
        outside(amqp_url) as outsider,
        Proxy.before(amqp_url) as proxy,
        probed(proxy.url, take, other) as (service, probe),
    ):
        before = datetime.now(UTC)
        proxy.close()
        await eventually(lambda: len(service.missing) == 2)
        virtual_host.delete_queue(QUEUE)
        await outsider.channel.declare_queue(QUEUE, exclusive=True)
        proxy.reopen()
        await eventually(lambda: service.missing == (QUEUE,), within=20)
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: other.handled == [1])
        status, problems = await probe.ask("/readyz")
        assert status == 503
        assert [problem["name"] for problem in problems] == [QUEUE]
        assert before < datetime.fromisoformat(problems[0]["since"]) < datetime.now(UTC)


async def test_a_service_without_its_broker_is_alive_and_says_what_is_missing(
    private_broker: Broker, private_amqp_url: str
) -> None:
    """Both connections and the consumer, since the broker went, without a password; ready again
    once it is back.
    """
    async with probed(private_amqp_url, Take()) as (_, probe):
        await probe.until("/readyz", 200)
        before = datetime.now(UTC)
        await asyncio.to_thread(private_broker.stop)
        try:
            gone = datetime.now(UTC)
            _, problems = await probe.until("/readyz", 503)
            assert (await probe.ask("/livez"))[0] == (await probe.ask("/startupz"))[0] == 200
            assert {(problem["kind"], problem["name"]) for problem in problems} == {
                ("connection", "publish"),
                ("connection", "consume"),
                ("consumer", QUEUE),
            }
            for problem in problems:
                assert before < datetime.fromisoformat(problem["since"]) < gone
                assert problem["reason"]
            assert f":{urlsplit(private_amqp_url).password}@" not in json.dumps(problems)
        finally:
            await asyncio.to_thread(private_broker.start)
        assert await probe.until("/readyz", 200, within=45) == (200, [])


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_process_that_is_asked_to_stop_is_not_ready_at_once(
    tmp_path: Path, amqp_url: str, wire: Wire, workers: int
) -> None:
    """And alive until it has finished what it has begun; each worker answers on its own port."""
    ports = [port := choose_free_ports(1)[0], port + 1][:workers]
    probes = [Probe(port) for port in ports]
    async with Process.running(
        tmp_path, "worker:service", amqp_url, "--workers", str(workers), health_port=str(ports[0])
    ) as process:
        await process.started(workers)
        for probe in probes:
            await probe.until("/readyz", 200)
        for number in range(2 * workers):
            wire.publish("events", b"jobs.posted", {}, b'{"number": %d, "seconds": 3}' % number)
        await eventually(lambda: len(process.numbers("begun")) == 2 * workers)
        process.signal(SIGTERM)
        for probe in probes:
            _, problems = await probe.until("/readyz", 503)
            assert ("service", "stopping") in {(p["kind"], p["state"]) for p in problems}
            assert (await probe.ask("/livez"))[0] == 200
        assert not process.numbers("done")
        assert await process.ended() == 0
    assert len(process.numbers("done")) == 2 * workers
