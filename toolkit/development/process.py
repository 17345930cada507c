"""A service as a process that is started again when its code changes.

Receives a service and its environment, hands its lines to the console.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from toolkit.development.console import Console
from toolkit.project import ServiceEntry
from toolkit.service.runner import STOPPED
from toolkit.testing.broker.keeper import Keeper

_GRACE = 35.0  # seconds: the services' own is 25 by default, and a broker gets 6 to hear of it
_LONGEST_LINE = 1 << 20  # bytes


class ServiceProcess:
    """Keeps one service running until it is cancelled."""

    def __init__(
        self,
        entry: ServiceEntry,
        *,
        root: Path,
        environment: Mapping[str, str],
        console: Console,
        keeper: Keeper,
    ) -> None:
        self.entry = entry
        self._root = root
        self._environment = dict(environment)
        self._console = console
        self._keeper = keeper
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    def change(self, what: str) -> None:
        """Its code has changed: it is to be started again."""
        if not self._changed.is_set():
            self._say(f"{what} has changed")
        self._changed.set()

    def kill(self) -> None:
        """Ends it at once, with all that it has started."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def keep(self) -> None:
        """Runs it, again after each change, and stops it in order when cancelled.

        One that ends by itself is left alone until somebody changes something: it would end again.
        """
        while True:
            self._changed.clear()
            try:
                process = self._process = await self._started()
            except OSError as error:
                self._say(f"can't be started: {error}; waiting for a change")
                await self._changed.wait()
                continue
            ended = asyncio.create_task(self._end_of(process))
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() and not changed.done():
                    self._say(f"{_said(ended.result())}; waiting for a change")
                    await changed
            finally:
                changed.cancel()
                await self._stop(process, ended)

    async def _started(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *self.entry.process,
            cwd=self._root,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for us; we stop it in order
        )
        self._keeper.hold("process", process.pid)  # should we be killed, it goes too
        return process

    async def _end_of(self, process: asyncio.subprocess.Process) -> int:
        """Its exit code, once it has said its last word."""
        assert process.stdout is not None
        await self._pass_on(process.stdout)
        code = await process.wait()
        self._keeper.release("process", process.pid)
        return code

    async def _pass_on(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                line = end.partial
            except asyncio.LimitOverrunError as overrun:
                line = await output.read(overrun.consumed)
            if not line:
                return
            self._console.line(self.entry.name, line.decode(errors="replace").rstrip("\r\n"))

    async def _stop(self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
        """SIGTERM, and time to finish what it is at; SIGKILL after that. Idempotent."""
        if ended.done():
            return
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({ended}, timeout=_GRACE)
        if not ended.done():
            self._say(f"did not stop within {_GRACE:g}s; killed")
            self.kill()
            await asyncio.wait({ended})

    def _say(self, what: str) -> None:
        self._console.say(f"{self.entry.name}: {what}")


def _said(code: int) -> str:
    if code == STOPPED:
        return "ended"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
