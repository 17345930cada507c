"""Whether an event loop still turns, as seen from outside it.

Receives a beat from the loop, hands a `Stall` to the report and the stack to the log, once for each
stall. The loop can't tell on itself: while it hangs, nothing in it runs, an HTTP server neither. So
a thread compares when the last beat came, and asks the interpreter where the loop's thread is. Code
that holds the interpreter's lock stops that thread too; then only a probe's timeout tells.
"""

import asyncio
import sys
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from types import FrameType, TracebackType
from typing import Self

import structlog

from toolkit.health.report import Stall

_BEATS = 10  # within the limit

log = structlog.get_logger("toolkit.health")


class Watchdog:
    """Watches the event loop in which it is entered: `async with watchdog`.

    `limit` is how long the loop may stand still.
    """

    def __init__(self, limit: timedelta) -> None:
        self._limit = limit.total_seconds()
        self._last = 0.0
        self._loop_thread = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = threading.Event()

    @property
    def stall(self) -> Stall | None:
        """None while the loop turns, and where nobody watches. May be asked from any thread."""
        silent = time.monotonic() - self._last
        if self._timer is None or silent <= self._limit:
            return None
        frame = self._frame()
        since = datetime.now(UTC) - timedelta(seconds=silent)
        return Stall(since=since, place=_place(frame) if frame else "an unknown place")

    async def __aenter__(self) -> Self:
        self._loop_thread = threading.get_ident()
        self._is_over.clear()
        self._beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._last = time.monotonic()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limit / _BEATS, self._beat)

    def _watch(self) -> None:
        told: Stall | None = None
        while not self._is_over.wait(self._limit / _BEATS):
            stall = self.stall
            if stall is not None and told is None:
                log.error("the event loop stands still", place=stall.place, stack=self._stack())
            elif stall is None and told is not None:
                log.warning("the event loop turns again", stood_still_since=told.since.isoformat())
            told = stall

    def _stack(self) -> str:
        frame = self._frame()
        return "".join(traceback.format_stack(frame)) if frame else ""

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - public in all but name


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno}, in {code.co_qualname}"
