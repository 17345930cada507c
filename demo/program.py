"""One service as a process of its own.

Receives a command line and an environment, hands back a running process and, should it end too
early, its last words.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from demo.log import Log

_POLL = 0.05


class ProgramEndedError(Exception):
    """A service ended, or did not become ready, although the story needs it."""

    def __init__(self, program: "Program", what: str) -> None:
        log = program.log
        super().__init__(f"{log.name} {what}. Its last words:\n{log.last_words()}")


class Program:
    """A running service."""

    def __init__(self, process: asyncio.subprocess.Process, log: Log) -> None:
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its process, which is also the leader of its process group."""
        return self._process.pid

    async def until(self, is_ready: Callable[[], Awaitable[bool]], *, within: float) -> None:
        """Ask until it is ready. Raises ProgramEndedError if it ends instead, or takes longer."""
        try:
            async with asyncio.timeout(within):
                while not await is_ready():
                    if self._process.returncode is not None:
                        code = self._process.returncode
                        raise ProgramEndedError(self, f"ended with exit code {code}")
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ProgramEndedError(self, f"was not ready within {within:g} s") from None

    async def end(self, *, within: float) -> int:
        """Its exit code, once it has ended by itself. Raises TimeoutError."""
        return await asyncio.wait_for(self._process.wait(), within)

    async def stop(self, *, within: float, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and make it if it doesn't. Returns its exit code."""
        with suppress(ProcessLookupError):
            self._process.send_signal(by)
        try:
            return await self.end(within=within)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return await self._process.wait()


@asynccontextmanager
async def running(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Program]:
    """Start it in `folder`, where its log goes too; it has stopped when the context ends."""
    log = Log(name, folder / f"{name}.log")
    with log.path.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; we stop it in our own time
        )
    program = Program(process, log)
    try:
        yield program
    finally:
        await program.stop(within=15)
