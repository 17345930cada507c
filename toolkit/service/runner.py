"""Services as a process: signals, ordered shutdown, exit codes.

Receives one service or several, hands an exit code to the command line.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import structlog

from toolkit.errors import (
    AccessRefusedError,
    BrokerUnreachableError,
    ConfigurationError,
    TlsError,
    ToolkitError,
    TopologyError,
)
from toolkit.observability.logging import configure_logging, without_passwords
from toolkit.service.service import Service

STOPPED = 0
UNEXPECTED = 1
USAGE = 2
UNAVAILABLE = 69  # sysexits.h: EX_UNAVAILABLE
REFUSED = 77  # EX_NOPERM
CONFIGURATION = 78  # EX_CONFIG
BY_SIGNAL = 128  # plus the signal's number, as shells count

SUPERVISOR_PIPE = "TOOLKIT_SUPERVISOR_PIPE"
"""Names the descriptor that ends when the supervisor does."""
WORKER = "TOOLKIT_WORKER"
"""Says which of several workers a process is, from 1 on."""

Around = Callable[[Sequence[Service]], AbstractAsyncContextManager[None]]
"""What lasts from before the first service starts until the last one has stopped."""

log = structlog.get_logger("toolkit.runner")


def exit_code_of(error: BaseException) -> int:
    """What a process that ends with this error exits with."""
    match error:
        case TopologyError(differences=(), refusals=(_, *_)):
            return REFUSED
        case ConfigurationError():
            return CONFIGURATION
        case AccessRefusedError() | TlsError():
            return REFUSED
        case BrokerUnreachableError():
            return UNAVAILABLE
        case _:
            return UNEXPECTED


def run(make: Callable[[], Sequence[Service]], *, around: Around) -> int:
    """Runs services until a signal, and returns the exit code.

    They start in the order given, and stop in the reverse one. The first SIGTERM or SIGINT stops
    in order, up to the grace period; a second stops at once.
    """
    try:
        services = make()
    except ToolkitError as error:
        return complain(error)
    settings = services[0].settings
    configure_logging(style=settings.log_format, level=settings.log_level)
    try:
        asyncio.run(_until_signal(services, around))
    except ToolkitError as error:
        return complain(error)
    return STOPPED


def complain(error: ToolkitError) -> int:
    """Prints an error as a person reads it, and returns its exit code."""
    sys.stderr.write(f"error: {without_passwords(str(error))}\n")
    return exit_code_of(error)


async def _until_signal(services: Sequence[Service], around: Around) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, number, stop)
    watch_supervisor(loop, lambda: _on_signal(signal.SIGTERM, stop))
    have_started = asyncio.Event()
    serving = asyncio.create_task(_serve(services, around, have_started, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when="FIRST_COMPLETED")
    if not have_started.is_set():
        serving.cancel()
    await asyncio.wait({serving})
    stopping.cancel()
    if not (serving.cancelled() and stop.is_set()):  # that is: stopped before all had started
        serving.result()


async def _serve(
    services: Sequence[Service],
    around: Around,
    have_started: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """From start to stop in one task: a task group in a lifespan can end it, and asks for that."""
    async with around(services), AsyncExitStack() as started:
        for service in services:
            await started.enter_async_context(service)
        have_started.set()
        await stop.wait()


def watch_supervisor(loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> None:
    """Calls `on_death` when the supervisor is gone: it holds the other end of a pipe."""
    descriptor = os.environ.get(SUPERVISOR_PIPE)
    if descriptor is None:
        return

    def read() -> None:
        loop.remove_reader(int(descriptor))
        log.warning("the supervisor is gone")
        on_death()

    try:
        loop.add_reader(int(descriptor), read)
    except (OSError, ValueError):
        pass  # inherited from a supervisor that is not ours: there is nothing to watch


def _on_signal(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("stopping at once", signal=number.name)
        os._exit(BY_SIGNAL + number)
    log.info("stopping", signal=number.name)
    stop.set()
