"""Both services, each a process of its own.

Receives their environment and a folder to run in, hands back their logs once they are up.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from demo import program, shop
from demo.log import Log
from demo.program import Program
from toolkit.testing.broker.keeper import Keeper

_COMMANDS = {
    "orders": ("-m", "services.orders"),
    "notifications": ("-m", "toolkit", "run", "services.notifications.service:service"),
}
_START = 30.0  # seconds: much more than it takes, on a slow machine too


@asynccontextmanager
async def running(
    environment: Mapping[str, str], folder: Path, keeper: Keeper
) -> AsyncIterator[tuple[Log, ...]]:
    """Raises ProgramEndedError if one of them doesn't come up."""
    health = folder / "notifications.health"
    environment = {**environment, "NOTIFICATIONS_HEALTH_FILE": str(health)}

    async def is_consuming() -> bool:
        return health.exists()

    async with (
        _service("notifications", environment, folder, keeper) as notifications,
        _service("orders", environment, folder, keeper) as orders,
        shop.at(f"http://127.0.0.1:{environment['ORDERS_PORT']}") as its_shop,
    ):
        await orders.until(its_shop.is_open, within=_START)
        await notifications.until(is_consuming, within=_START)
        yield orders.log, notifications.log


@asynccontextmanager
async def _service(
    name: str, environment: Mapping[str, str], folder: Path, keeper: Keeper
) -> AsyncIterator[Program]:
    command = [sys.executable, *_COMMANDS[name]]
    async with program.running(name, command, environment=environment, folder=folder) as running:
        keeper.hold("process", running.pid)  # should we be killed, it goes too
        yield running
    keeper.release("process", running.pid)
