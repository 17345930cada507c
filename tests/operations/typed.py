"""Commands as they are typed, each a process of its own in a project of the test's.

Receives words from tests, hands back what was said and how it ended.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_LONG = 60.0  # seconds: much more than any of them takes


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str
    errors: str


class Terminal:
    """A folder, and the address of a broker in the environment."""

    def __init__(self, folder: Path, amqp_url: str | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if "TOOLKIT" not in name}
        self.folder = folder
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "PYTHONPATH": str(_REPOSITORY),
        }
        if amqp_url is not None:
            self.environment["TOOLKIT_AMQP_URL"] = amqp_url

    async def run(self, *words: str, typed: bytes = b"") -> Ended:
        """`toolkit` with these words, and this on standard input."""
        process = await self._start(*words)
        async with asyncio.timeout(_LONG):
            output, errors = await process.communicate(typed)
        return Ended(process.returncode or 0, output.decode(), errors.decode())

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator["Running"]:
        """The same, while it runs; killed at the end if it hasn't ended."""
        process = await self._start(*words)
        try:
            yield Running(process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "toolkit", *words),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


class Running:
    """A command while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, text: str) -> str:
        """The next line on standard error with this in it."""
        assert self._process.stderr is not None
        return await self._line(self._process.stderr, text)

    async def prints(self, text: str) -> str:
        """The next line on standard output with this in it."""
        assert self._process.stdout is not None
        return await self._line(self._process.stdout, text)

    async def ends(self) -> Ended:
        """How, and all that it has said since."""
        async with asyncio.timeout(_LONG):
            output, errors = await self._process.communicate()
        return Ended(self._process.returncode or 0, output.decode(), errors.decode())

    async def interrupted(self) -> Ended:
        """By Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        return await self.ends()

    async def killed(self) -> None:
        """Without a chance to tidy up."""
        self._process.kill()
        await self._process.wait()

    async def _line(self, stream: asyncio.StreamReader, text: str) -> str:
        async with asyncio.timeout(_LONG):
            while line := (await stream.readline()).decode():
                if text in line:
                    return line
        raise AssertionError(f"it ended without saying {text!r}")
