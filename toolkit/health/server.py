"""The answers on a port of their own, from a thread of their own.

Receives services, hands probes an answer for as long as the process lives: also while the services
start and stop, and while their event loop stands still.
"""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog

from toolkit.errors import ConfigurationError
from toolkit.health.watchdog import Watchdog
from toolkit.service.runner import WORKER
from toolkit.service.service import Service

if TYPE_CHECKING:
    import uvicorn

_DRAIN = 1  # seconds for answers under way
_END = 3.0  # seconds for the thread to end

log = structlog.get_logger("toolkit.health")


@asynccontextmanager
async def health_served(services: Sequence[Service]) -> AsyncIterator[None]:
    """Answers for these services while the block lasts, if `TOOLKIT_HEALTH_PORT` is set.

    Of several workers each is a process with answers of its own, so each has a port of its own: the
    first one that which is set, the second one the next. Raises `ConfigurationError` if the port is
    taken, or the extra `health` isn't installed.
    """
    settings = services[0].settings
    if settings.health_port is None:
        yield
        return
    port = settings.health_port + int(os.environ.get(WORKER, "1")) - 1
    watchdog = Watchdog(settings.stall_limit)
    server = _server(services, watchdog)
    with _listening(settings.health_host, port) as listener:
        async with watchdog:
            with _serving(server, listener):
                log.info("health is told", host=settings.health_host, port=port)
                yield


def _server(services: Sequence[Service], watchdog: Watchdog) -> "uvicorn.Server":
    try:
        import uvicorn  # noqa: PLC0415 - of an extra

        from toolkit.health.app import health_app  # noqa: PLC0415 - the same
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            "TOOLKIT_HEALTH_PORT is set, but health can't be told over HTTP",
            [f"{missing.name} is not installed: pip install 'rabbit-toolkit[health]'"],
        ) from missing
    config = uvicorn.Config(
        health_app(services, watchdog),
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN,
    )
    return uvicorn.Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"health can't be told on {host}, port {port}",
            [f"{error}; change TOOLKIT_HEALTH_HOST or TOOLKIT_HEALTH_PORT, or free the port"],
        ) from error
    with listener:
        yield listener


@contextmanager
def _serving(server: "uvicorn.Server", listener: socket.socket) -> Iterator[None]:
    """In a thread: signals stay with the main one."""
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([listener])), name="health", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_END)
