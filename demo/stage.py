"""Brings up what the story needs, and takes all of it down again.

Receives a broker's URL, hands the story a shop, a mail server and a way to look at dead letters.
"""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import program, shop
from demo.mail_server import MailServer
from demo.program import Program
from demo.shop import Shop
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.ports import choose_free_ports

_ROOT = Path(__file__).parent.parent
_OURS = ("TOOLKIT_", "ORDERS_", "NOTIFICATIONS_")
_COMMANDS = {
    "orders": ("-m", "services.orders"),
    "notifications": ("-m", "toolkit", "run", "services.notifications.service:service"),
}
_START = 30.0  # seconds: much more than it takes, on a slow machine too


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the story plays on."""

    amqp_url: str
    mail_server: MailServer
    shop: Shop
    programs: tuple[Program, ...]


@asynccontextmanager
async def raised(
    amqp_url: str, folder: Path, keeper: Keeper, **settings: str
) -> AsyncIterator[Stage]:
    """Both services run as processes of their own; what they keep and log is in `folder`."""
    (port,) = choose_free_ports(1)
    health = folder / "notifications.health"
    async with MailServer().running() as mail_server:
        environment = _environment(
            amqp_url,
            ORDERS_PORT=str(port),
            ORDERS_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/orders.db",
            NOTIFICATIONS_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/notifications.db",
            NOTIFICATIONS_SMTP_PORT=str(mail_server.port),
            NOTIFICATIONS_HEALTH_FILE=str(health),
            **settings,
        )

        async def is_consuming() -> bool:
            return health.exists()

        async with (
            _service("notifications", environment, folder, keeper) as notifications,
            _service("orders", environment, folder, keeper) as orders,
            shop.at(f"http://127.0.0.1:{port}") as open_shop,
        ):
            await orders.until(open_shop.is_open, within=_START)
            await notifications.until(is_consuming, within=_START)
            yield Stage(amqp_url, mail_server, open_shop, (orders, notifications))


@asynccontextmanager
async def _service(
    name: str, environment: Mapping[str, str], folder: Path, keeper: Keeper
) -> AsyncIterator[Program]:
    command = [sys.executable, *_COMMANDS[name]]
    async with program.running(name, command, environment=environment, folder=folder) as running:
        keeper.hold("process", running.pid)  # should we be killed, it goes too
        yield running
    keeper.release("process", running.pid)


def _environment(amqp_url: str, **ours: str) -> dict[str, str]:
    """What a service gets to see: the machine's environment, with our settings and no others."""
    machine = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**machine, "PYTHONPATH": str(_ROOT), "TOOLKIT_AMQP_URL": amqp_url, **ours}
