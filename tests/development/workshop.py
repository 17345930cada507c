"""A project in which somebody works: its files, `toolkit dev`, and a client of its broker.

Receives edits from tests, hands back what the terminal shows and what the services have handled.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from tests.hostile.waiting import eventually
from tests.outsider import Outsider, outside

_REPOSITORY = Path(__file__).parents[2]
_LONG = 30.0  # seconds: much more than anything here takes

SERVICE = """
from pathlib import Path

from toolkit import Consumer, Context, Event, Service


class Placed(Event, name="shop.placed"):
    number: int


class {consumer}(Consumer[Placed]):
    async def handle(self, message: Placed, context: Context) -> None:
        with Path("handled").open("a") as file:
            file.write(f"{consumer} {{message.number}} {mark}\\n")


def make_service() -> Service:
    return Service("{name}", consumers=[{consumer}()])
"""


class Workshop:
    """A project in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process: asyncio.subprocess.Process | None = None

    def write(self, path: str, text: str) -> None:
        """Saves a file, as an editor does."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def write_service(self, name: str, *, consumer: str = "Take", mark: str = "one") -> None:
        """A service that writes down what it handles, and with which code."""
        self.write(
            f"services/{name}/service.py", SERVICE.format(name=name, consumer=consumer, mark=mark)
        )

    @asynccontextmanager
    async def developing(self, *arguments: str) -> AsyncIterator[Self]:
        """`toolkit dev`, killed at the end if it hasn't ended by itself."""
        environment = {name: value for name, value in os.environ.items() if "TOOLKIT" not in name}
        with (self.root / "screen").open("wb") as screen:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "toolkit", "dev", *arguments),
                cwd=self.root,
                env=environment | {"PYTHONPATH": str(_REPOSITORY)},
                stdout=screen,
                stderr=screen,
            )
        try:
            yield self
        finally:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    @property
    def screen(self) -> str:
        """All that it has shown."""
        return (self.root / "screen").read_text()

    @property
    def handled(self) -> list[tuple[str, int, str]]:
        """Consumer, number and code, in order."""
        try:
            lines = (self.root / "handled").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(who, int(number), mark) for who, number, mark in map(str.split, lines)]

    @property
    def marks(self) -> dict[int, str]:
        """The code that handled each number last."""
        return {number: mark for _, number, mark in self.handled}

    @property
    def note(self) -> Path:
        """Where the broker's address is."""
        return self.root / ".toolkit" / "dev.json"

    async def shows(self, text: str, times: int = 1) -> None:
        """Returns once it does."""
        await eventually(lambda: self.screen.count(text) >= times, within=_LONG)

    async def has_handled(self, *numbers: int) -> None:
        """Returns once all of these are in."""
        await eventually(lambda: set(numbers) <= set(self.marks), within=_LONG)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Outsider]:
        """Plain aio-pika, at the address that dev has noted."""
        await eventually(self.note.exists, within=_LONG)
        async with outside(json.loads(self.note.read_text())["amqp_url"]) as client:
            yield client

    async def stopped(self, by: signal.Signals = signal.SIGINT) -> int:
        """Its exit code after a signal."""
        assert self.process is not None
        self.process.send_signal(by)
        async with asyncio.timeout(_LONG):
            return await self.process.wait()


async def place(client: Outsider, number: int) -> None:
    """One event, confirmed."""
    await client.publish(
        b'{"number": %d}' % number, exchange="events", routing_key="shop.placed", type="shop.placed"
    )
