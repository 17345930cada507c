"""Both services in this process, over a broker in memory.

Receives their environment and a folder for their log, hands the log back once they are up.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, chdir, contextmanager
from pathlib import Path

import uvicorn

from demo.log import Log
from services.orders.api import make_app
from services.orders.service import OrderDesk, make_desk
from toolkit import Service, configure_logging

_OURS = ("httpx", "mail.log")  # who talk to the services from here: the shop and the mail server


@asynccontextmanager
async def running(environment: Mapping[str, str], folder: Path) -> AsyncIterator[tuple[Log, ...]]:
    """They share an event loop with the story and the mail server, and need no other process."""
    log = Log("both services", folder / "services.log")
    with _written_to(log):
        with _seen(environment, folder):
            desk, notifications = _make()
        address = ("127.0.0.1", int(environment["ORDERS_PORT"]))
        async with notifications, desk.running(), _serving(desk, address):
            yield (log,)


def _make() -> tuple[OrderDesk, Service]:
    # Imported here: that reads the environment already.
    from services.notifications.service import make_service as make_notifications  # noqa: PLC0415

    return make_desk(), make_notifications()


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to the demonstration."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """For as long as it serves."""
        yield


@asynccontextmanager
async def _serving(desk: OrderDesk, address: tuple[str, int]) -> AsyncIterator[None]:
    """The HTTP side of orders: who calls before uvicorn is ready waits at the socket."""
    listening = socket.create_server(address)
    server = _Server(uvicorn.Config(make_app(desk), lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@contextmanager
def _seen(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """What services read here is what they would read in processes of their own."""
    before = os.environ.copy()
    try:
        os.environ.clear()
        os.environ.update(environment)
        with chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _written_to(log: Log) -> Iterator[None]:
    """What the services say would get in the story's way."""
    with log.path.open("w", buffering=1) as file:
        configure_logging(stream=file)
        for name in _OURS:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield
        finally:
            configure_logging()
