"""A migration in a process of its own that is killed in the middle.

Run by tests: after which step, or after how many confirms, is in the arguments.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from tests.operations.topology.place import NEW, QUEUE, release
from toolkit.operations.address import Address
from toolkit.operations.topology.broker import reached
from toolkit.operations.topology.migration import Migration, Pace, Watching
from toolkit.transport.rabbitmq.mover import Moved


async def main(url: str, management_url: str, point: str, number: int, quiet: float) -> None:
    """Kills itself at that point."""
    confirmed = 0

    def on_step(step: int, _: str) -> None:
        if point == "step" and step == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_confirmed(_: Moved) -> None:
        nonlocal confirmed
        confirmed += 1
        if point == "confirm" and confirmed == number:
            os.kill(os.getpid(), signal.SIGKILL)

    async with reached(Address(url, "a test", management_url)) as broker:
        await Migration(
            broker,
            broker.declared([release(url, NEW)]),
            QUEUE,
            pace=Pace(quiet=timedelta(seconds=quiet)),
            watching=Watching(say=on_step, confirmed=on_confirmed),
        ).run()


if __name__ == "__main__":
    url, management_url, point, number, quiet = sys.argv[1:]
    asyncio.run(main(url, management_url, point, int(number), float(quiet)))
