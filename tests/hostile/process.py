"""`python -m toolkit run` as an operator runs it.

Receives the name of a program from tests, hands back its exit code and all that it printed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from tests.hostile.waiting import eventually

_REPOSITORY = Path(__file__).parents[2]
_PROGRAMS = "tests.hostile.programs"


class Process:
    """One run of one service, or of several workers of it."""

    def __init__(self, directory: Path, process: asyncio.subprocess.Process) -> None:
        self._directory = directory
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(
        cls, directory: Path, program: str, url: str, *arguments: str, **settings: str
    ) -> AsyncIterator[Self]:
        """Start it in this directory; it is killed at the end, if it hasn't ended by itself."""
        inherited = {name: value for name, value in os.environ.items() if "TOOLKIT" not in name}
        given = {f"TOOLKIT_{name.upper()}": value for name, value in settings.items()}
        environment = {
            "PYTHONPATH": str(_REPOSITORY),
            "RECORD": str(directory / "record"),
            "TOOLKIT_AMQP_URL": url,
        }
        with (directory / "output").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "toolkit", "run", f"{_PROGRAMS}.{program}", *arguments),
                cwd=directory,
                env=inherited | environment | given,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            yield cls(directory, process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @property
    def output(self) -> str:
        """All that it has printed, earlier runs in the same directory included."""
        return (self._directory / "output").read_text()

    @property
    def workers(self) -> list[int]:
        """The ids of the processes that have handled something."""
        return sorted({pid for _, _, pid in self._records()})

    def numbers(self, stage: str) -> list[int]:
        """The jobs that have come to this stage: begun, cancelled or done."""
        return [number for name, number, _ in self._records() if name == stage]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def started(self, times: int = 1) -> None:
        """Returns once it has said, so often, that it has started."""
        await eventually(lambda: self.output.count("service started") >= times, within=15)

    async def ended(self, *, within: float = 10.0) -> int:
        """Its exit code; negative for a signal that killed it. Raises TimeoutError."""
        async with asyncio.timeout(within):
            return await self._process.wait()

    def _records(self) -> Iterator[tuple[str, int, int]]:
        record = self._directory / "record"
        if record.exists():
            for line in record.read_text().splitlines():
                stage, number, pid = line.split()
                yield stage, int(number), int(pid)
