"""Both services, each a process of its own.

Receives their environment and a folder to run in, hands back their logs once they are up.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from demo import program
from demo.log import Log
from demo.program import Program
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.ports import choose_free_ports

_COMMANDS = {
    "orders": ("-m", "services.orders"),
    "notifications": ("-m", "toolkit", "run", "services.notifications.service:make_service"),
}
_START = 30.0  # seconds: much more than it takes, on a slow machine too


@asynccontextmanager
async def running(
    environment: Mapping[str, str], folder: Path, keeper: Keeper
) -> AsyncIterator[tuple[Log, ...]]:
    """Raises ProgramEndedError if one of them doesn't come up."""
    (health_port,) = choose_free_ports(1)
    environment = {**environment, "TOOLKIT_HEALTH_PORT": str(health_port)}
    async with (
        _service("notifications", environment, folder, keeper) as notifications,
        _service("orders", environment, folder, keeper) as orders,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await orders.until(_readiness(client, environment["ORDERS_PORT"]), within=_START)
        await notifications.until(_readiness(client, str(health_port)), within=_START)
        yield orders.log, notifications.log


def _readiness(client: httpx.AsyncClient, port: str) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
        except httpx.TransportError:
            return False

    return is_ready


@asynccontextmanager
async def _service(
    name: str, environment: Mapping[str, str], folder: Path, keeper: Keeper
) -> AsyncIterator[Program]:
    command = [sys.executable, *_COMMANDS[name]]
    async with program.running(name, command, environment=environment, folder=folder) as running:
        keeper.hold("process", running.pid)  # should we be killed, it goes too
        yield running
    keeper.release("process", running.pid)
