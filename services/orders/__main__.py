"""Runs orders as a process: `python -m services.orders`.

Receives ORDERS_… and TOOLKIT_… from the environment, hands the application to uvicorn, and an exit
code to whoever started it: the same ones as `toolkit run`.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from toolkit import Settings as ToolkitSettings
from toolkit import ToolkitError, configure_logging
from toolkit.service.runner import STOPPED, complain

from .api import make_app
from .service import make_desk
from .settings import Settings, read_settings

_DRAIN = 10  # seconds for requests under way


class Server(uvicorn.Server):
    """A uvicorn that stops on a signal and leaves it at that.

    It would raise the signal once more, and so end the process before the service has stopped.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """For as long as it serves."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


async def serve(settings: Settings) -> None:
    """Serve until a signal; first HTTP stops, then the service."""
    desk = make_desk(settings)
    config = uvicorn.Config(
        make_app(desk),
        host=settings.host,
        port=settings.port,
        # Started here: uvicorn would print a start-up error's traceback instead of what to do.
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=_DRAIN,
    )
    async with desk.running():
        await Server(config).serve()


def main() -> int:
    """Returns the exit code."""
    try:
        logging = ToolkitSettings()
        configure_logging(style=logging.log_format, level=logging.log_level)
        asyncio.run(serve(read_settings()))
    except ToolkitError as error:
        return complain(error)
    return STOPPED


if __name__ == "__main__":
    sys.exit(main())
