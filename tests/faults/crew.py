"""The processes under fire: started, killed, asked to end, and started again.

Receives the broker's address and a directory from the siege, hands back exit codes. A keeper ends
them all, even if the bench itself is killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.ledger import ledger_variable
from tests.hostile.waiting import eventually
from toolkit.testing.broker.keeper import Keeper

_REPOSITORY = Path(__file__).parents[2]
_START = 30.0
_END = 45.0


class Member:
    """One process, and the next one in its place after it has ended."""

    def __init__(
        self, directory: Path, keeper: Keeper, *, name: str, program: str, settings: dict[str, str]
    ) -> None:
        self._directory = directory
        self._keeper = keeper
        self._program = program
        self._settings = settings
        self._runs = 0
        self._process: asyncio.subprocess.Process | None = None
        self.name = name

    @property
    def run(self) -> str:
        """The name of the present process in the ledgers."""
        return f"{self.name}.{self._runs}"

    @property
    def output(self) -> str:
        """What its present process has printed."""
        return (self._directory / f"{self.run}.output").read_text()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it; returns at once."""
        self._runs += 1
        inherited = {name: value for name, value in os.environ.items() if "TOOLKIT" not in name}
        given = {"PYTHONPATH": str(_REPOSITORY)}
        given |= ledger_variable(self._directory / f"{self.run}.ledger")
        with (self._directory / f"{self.run}.output").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "toolkit", "run", self._program),
                cwd=self._directory,
                env=inherited | given | self._settings,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self._keeper.hold("process", self._process.pid)

    async def started(self) -> None:
        """Returns once it says so. Raises RuntimeError, with its last words, if it has ended."""
        await eventually(lambda: self._has_ended or "service started" in self.output, within=_START)
        if self._has_ended:
            raise RuntimeError(f"{self.name} ended while it started: {self.output[-500:]}")

    @property
    def _has_ended(self) -> bool:
        return self._process is not None and self._process.returncode is not None

    def kill(self) -> None:
        """Cut its power."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None and not self._has_ended:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code; negative for a signal that killed it. Raises TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(_END):
            code = await self._process.wait()
        self._keeper.release("process", self._process.pid)
        return code

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()


class Crew:
    """All processes of one siege."""

    def __init__(self, directory: Path, keeper: Keeper, url: str, settings: dict[str, str]) -> None:
        self._directory = directory
        self._keeper = keeper
        self._settings = {"TOOLKIT_AMQP_URL": url, "TOOLKIT_LOG_FORMAT": "json"} | settings
        self.takers: list[Member] = []
        self.publishers: list[Member] = []

    @classmethod
    @asynccontextmanager
    async def hired(cls, directory: Path, url: str, **settings: str) -> "AsyncIterator[Crew]":
        """Nobody, so far; all are killed at the end."""
        with Keeper() as keeper:
            crew = cls(directory, keeper, url, settings)
            try:
                yield crew
            finally:
                for member in crew.takers + crew.publishers:
                    member.kill()
                    await member.ended()

    async def taker(self, **settings: str) -> Member:
        """One more that handles; returned once it consumes."""
        return await self._hire("taker", self.takers, settings)

    async def publisher(self, **settings: str) -> Member:
        """One more that publishes."""
        return await self._hire("publisher", self.publishers, settings)

    async def _hire(self, role: str, among: list[Member], settings: dict[str, str]) -> Member:
        member = Member(
            self._directory,
            self._keeper,
            name=f"{role}{len(among) + 1}",
            program=f"tests.faults.programs.{role}:service",
            settings=self._settings | settings,
        )
        await member.start()
        among.append(member)
        await member.started()
        return member
