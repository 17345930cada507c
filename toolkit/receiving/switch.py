"""A consumer's kill switch at work: it stops taking messages, waits, probes, goes on.

Receives ends of runs from the pipeline, suspends and resumes the subscription and the pump.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from toolkit.observability.events import ConsumerResumed, ConsumerSuspended
from toolkit.observability.hooks import Hooks
from toolkit.policies.kill_switch import KillSwitch, Window
from toolkit.receiving.pump import Pump
from toolkit.transport.clock import Clock
from toolkit.transport.port import Subscriber

log = structlog.get_logger("toolkit.switch")

_PROBE = 1  # messages at a time


class Switch:
    """Stops one consumer while its runs fail."""

    def __init__(
        self,
        policy: KillSwitch,
        consumer: str,
        queue: str,
        *,
        prefetch: int,
        hooks: Hooks,
        clock: Clock,
    ) -> None:
        self.suspended_since: datetime | None = None
        """Since when it is, unless it isn't; a probe under way is still a suspension."""
        self.phase = 0
        """Counts up with each change: a run of an earlier phase says nothing about this one."""
        self._policy = policy
        self._consumer = consumer
        self._queue = queue
        self._prefetch = prefetch
        self._hooks = hooks
        self._clock = clock
        self._window = Window(policy)
        self._probe: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_busy = False
        """Whether it is about to suspend or to resume, without time having to pass."""
        self._attached: asyncio.Future[tuple[Pump, Subscriber]] = (
            asyncio.get_running_loop().create_future()
        )

    def note(self, phase: int, *, is_failure: bool) -> None:
        """A run that began in this phase has ended."""
        if phase != self.phase:
            return
        if self._probe is not None:
            if not self._probe.done():
                self.is_busy = True
                self._probe.set_result(not is_failure)
            return
        now = self._clock.now()
        self._window.note(now, is_failure=is_failure)
        if is_failure and self.suspended_since is None and self._window.is_over(now):
            self._trip(now)

    def attach(self, pump: Pump, subscriber: Subscriber) -> None:
        """What there is to stop."""
        self._attached.set_result((pump, subscriber))

    async def stop(self) -> None:
        """Leaves everything as it is; for the end of the service."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _trip(self, now: datetime) -> None:
        runs, failures = self._window.counts(now)
        self.suspended_since = now
        self.phase += 1
        self.is_busy = True
        self._window.forget()
        self._hooks.emit(
            ConsumerSuspended(
                consumer=self._consumer,
                queue=self._queue,
                runs=runs,
                failures=failures,
                pause=self._policy.pause,
            )
        )
        self._task = asyncio.create_task(self._recover(), name=f"switch {self._queue}")

    async def _recover(self) -> None:
        try:
            await self._until_well_again()
        except Exception:
            # It stays suspended, and says so: nobody awaits this task.
            log.exception("the kill switch failed", queue=self._queue, consumer=self._consumer)
        finally:
            self.is_busy = False

    async def _until_well_again(self) -> None:
        await self._suspend()
        while True:
            self.is_busy = False
            await self._pause(self._policy.pause)
            if await self._is_well_again():
                break
            log.warning("the probe failed", queue=self._queue, consumer=self._consumer)
        await self._resume(self._prefetch)
        since, self.suspended_since = self.suspended_since, None
        lasted = self._clock.now() - (since or self._clock.now())
        self._hooks.emit(ConsumerResumed(consumer=self._consumer, queue=self._queue, lasted=lasted))

    async def _is_well_again(self) -> bool:
        """One message at a time until one says how things stand; then nothing is taken again."""
        self._probe = asyncio.get_running_loop().create_future()
        try:
            await self._resume(_PROBE)
            self.is_busy = False
            return await self._probe
        finally:
            self._probe = None
            await self._suspend()

    async def _suspend(self) -> None:
        self.is_busy = True
        pump, subscriber = await self._attached
        await subscriber.suspend()
        pump.return_waiting()
        self.phase += 1

    async def _resume(self, prefetch: int) -> None:
        self.is_busy = True
        pump, subscriber = await self._attached
        pump.take_again()
        await subscriber.resume(prefetch=prefetch)

    async def _pause(self, length: timedelta) -> None:
        over = asyncio.Event()

        def end() -> None:
            self.is_busy = True
            over.set()

        timer = self._clock.call_later(length, end)
        try:
            await over.wait()
        finally:
            timer.cancel()
