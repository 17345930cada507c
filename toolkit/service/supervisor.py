"""Several processes of the same services: start them, restart the dead, pass signals on.

Receives the command line of one worker, hands an exit code back.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog

from toolkit.service.runner import (
    BY_SIGNAL,
    CONFIGURATION,
    REFUSED,
    STOPPED,
    SUPERVISOR_PIPE,
    UNAVAILABLE,
    USAGE,
    WORKER,
)

log = structlog.get_logger("toolkit.supervisor")

_HOPELESS = frozenset({USAGE, REFUSED, CONFIGURATION})
_FIRST_PAUSE = 0.5  # seconds, doubled with each death in a row
_LONGEST_PAUSE = 30.0
_LONG_LIFE = 60.0  # seconds after which a death starts a new row


class Supervisor:
    """Keeps `count` workers alive until a signal."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        self._command = command
        self._count = count
        self._alive: dict[int, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._signals = 0
        self._verdict = STOPPED
        self._pipe = os.pipe()  # nothing is written; its end tells workers of ours

    async def run(self) -> int:
        """Returns once every worker has ended: 0, or the code of one that can't ever start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        async with asyncio.TaskGroup() as group:
            for worker in range(1, self._count + 1):
                group.create_task(self._keep(worker))
        return self._verdict

    async def _keep(self, worker: int) -> None:
        deaths = 0
        while not self._stop.is_set():
            born = time.monotonic()
            code = await self._live(worker)
            if self._stop.is_set():
                return
            if code in _HOPELESS or (code == UNAVAILABLE and not deaths):
                self._give_up(code)
                return
            deaths = 1 if time.monotonic() - born > _LONG_LIFE else deaths + 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (deaths - 1))
            log.error("worker died", worker=worker, exit_code=code, restart_in=f"{pause:g}s")
            await self._sleep(pause)

    async def _live(self, worker: int) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=os.environ | {WORKER: str(worker), SUPERVISOR_PIPE: str(self._pipe[0])},
            pass_fds=(self._pipe[0],),
            start_new_session=True,  # a terminal's Ctrl-C reaches it through us, once
        )
        self._alive[worker] = process
        log.info("worker started", worker=worker, pid=process.pid)
        if self._stop.is_set():  # told to stop while it was being born
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            return await process.wait()
        finally:
            del self._alive[worker]

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    def _give_up(self, code: int) -> None:
        self._verdict = code
        self._stop.set()
        self._pass_on(signal.SIGTERM)

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals > 1:
            self._verdict = BY_SIGNAL + number
        self._stop.set()
        self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._alive.values():
            with suppress(ProcessLookupError):  # it has just ended by itself
                process.send_signal(number)


def supervise(targets: Sequence[str], count: int) -> int:
    """Runs `count` workers, each with all of these services, until a signal."""
    command = [sys.executable, "-m", "toolkit", "run", *targets]
    return asyncio.run(Supervisor(command, count).run())
