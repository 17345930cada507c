"""A port of its own: real sockets, and an event loop that hangs."""

import asyncio
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from toolkit import ConfigurationError, Service, Settings
from toolkit.health.server import health_served
from toolkit.testing.broker.ports import choose_free_ports


@pytest.fixture
def port() -> int:
    return choose_free_ports(1)[0]


def shop(**settings: Any) -> Service:
    """A service that needs no broker but its own."""
    return Service("shop", settings=Settings(amqp_url="memory://health", **settings))


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """As a probe does, from outside of any event loop."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


async def test_the_answers_are_there_before_the_service_and_after_it(port: int) -> None:
    """So that whoever waits for the start is answered, and whoever watches the end."""
    service = shop(health_port=port)
    async with health_served([service]):
        assert (await asyncio.to_thread(ask, port, "/startupz"))[0] == 503
        async with service:
            assert (await asyncio.to_thread(ask, port, "/readyz"))[0] == 200
        status, content = await asyncio.to_thread(ask, port, "/readyz")
        assert (status, content["problems"][0]["state"]) == (503, "stopped")
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody listens there any more


async def test_a_start_that_waits_for_its_broker_says_so(port: int) -> None:
    """Alive meanwhile, not started, with the address and without the password."""
    url = "amqp://ada:hunter2@127.0.0.1:1/"
    service = Service("shop", settings=Settings(amqp_url=url, health_port=port))
    async with health_served([service]):
        starting = asyncio.create_task(service.start())
        found: tuple[int, dict[str, Any]] = (0, {})
        while "can't be reached" not in str(found):
            assert not starting.done()
            found = await asyncio.to_thread(ask, port, "/startupz")
        assert (await asyncio.to_thread(ask, port, "/livez"))[0] == 200
        starting.cancel()
        await asyncio.wait({starting})
    status, content = found
    assert status == 503
    assert [(one["kind"], one["name"], one["state"]) for one in content["problems"]] == [
        ("service", "shop", "starting"),
        ("connection", "publish", "connecting"),
    ]
    assert "amqp://ada:***@127.0.0.1:1/" in content["problems"][1]["reason"]


async def test_a_hung_event_loop_is_told_while_it_hangs(port: int) -> None:
    """Neither alive nor ready, with the place; both again once it turns."""
    service = shop(health_port=port, stall_limit="100ms")
    async with health_served([service]), service:
        answers = hang_until_told(port)
        assert [status for status, _ in answers] == [503, 503]
        for _, content in answers:
            assert content["problems"][0]["kind"] == "event loop"
            assert "threading.py" in content["problems"][0]["reason"]
        while (await asyncio.to_thread(ask, port, "/livez"))[0] != 200:
            pass


def hang_until_told(port: int) -> list[tuple[int, dict[str, Any]]]:
    """Blocks the event loop that calls it, until a probe has heard of that."""
    answers: list[tuple[int, dict[str, Any]]] = []
    gate = threading.Event()

    def probe() -> None:
        while (alive := ask(port, "/livez"))[0] == 200:
            pass
        answers.extend([alive, ask(port, "/readyz")])
        gate.set()

    threading.Thread(target=probe).start()
    gate.wait()
    return answers


async def test_without_a_port_nobody_is_told() -> None:
    """The default; no thread, no socket."""
    before = threading.active_count()
    async with health_served([shop()]):
        assert threading.active_count() == before


async def test_each_worker_has_a_port_of_its_own(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker the next after the first one's."""
    monkeypatch.setenv("TOOLKIT_WORKER", "2")
    async with health_served([shop(health_port=port - 1)]):
        assert (await asyncio.to_thread(ask, port, "/livez"))[0] == 200


@pytest.fixture
def taken(port: int) -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", port)):
        yield port


async def test_a_port_that_is_taken_is_an_error_that_names_it(taken: int) -> None:
    """And what to change."""
    with pytest.raises(ConfigurationError, match=f"port {taken}.*\n.*TOOLKIT_HEALTH_PORT"):
        async with health_served([shop(health_port=taken)]):
            pass


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
async def test_a_package_that_is_missing_is_an_error_that_names_the_extra(
    package: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where only the toolkit is installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "toolkit.health.app", raising=False)
    with pytest.raises(ConfigurationError, match=rf"{package}.*\n?.*rabbit-toolkit\[health\]"):
        async with health_served([shop(health_port=port)]):
            pass
