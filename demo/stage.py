"""Brings up what the story needs, and takes all of it down again.

Receives a broker's URL, hands the story a shop, a mail server and a way to look at dead letters.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import embedded, processes, shop
from demo.log import Log
from demo.mail_server import MailServer
from demo.shop import Shop
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.ports import choose_free_ports
from toolkit.transport.memory.named import is_memory

_ROOT = Path(__file__).parent.parent
_OURS = ("TOOLKIT_", "ORDERS_", "NOTIFICATIONS_")


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the story plays on."""

    broker_url: str
    mail_server: MailServer
    shop: Shop
    logs: tuple[Log, ...]


@asynccontextmanager
async def raised(
    broker_url: str, folder: Path, keeper: Keeper, **settings: str
) -> AsyncIterator[Stage]:
    """Both services run, each as a process of its own or, over a broker in memory, both in this
    one. What they keep and log is in `folder`.
    """
    (port,) = choose_free_ports(1)
    async with MailServer().running() as mail_server:
        environment = _environment(
            broker_url,
            ORDERS_PORT=str(port),
            ORDERS_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/orders.db",
            NOTIFICATIONS_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/notifications.db",
            NOTIFICATIONS_SMTP_PORT=str(mail_server.port),
            **settings,
        )
        if is_memory(broker_url):
            services = embedded.running(environment, folder)
        else:
            services = processes.running(environment, folder, keeper)
        async with services as logs, shop.at(f"http://127.0.0.1:{port}") as open_shop:
            yield Stage(broker_url, mail_server, open_shop, logs)


def _environment(broker_url: str, **ours: str) -> dict[str, str]:
    """What a service gets to see: the machine's environment, with our settings and no others."""
    machine = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**machine, "PYTHONPATH": str(_ROOT), "TOOLKIT_AMQP_URL": broker_url, **ours}
