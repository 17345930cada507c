"""Messages that kill their process: run alone, then given up.

Receives suspects from their own queue, hands each to its consumer's pipeline while everything
else in this process stands still.

With a prefetch above one a crash charges every message that was held, so a delivery count over
the budget makes a message a suspect, not a culprit. Suspects are moved to a queue of their own,
and taken from it one by one, only once nothing else runs: there a crash charges exactly the
message that ran.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import structlog

from toolkit.errors import CrashedError, PublishError, TransportError
from toolkit.messages import headers as wire
from toolkit.policies.outcome import DeadLetter
from toolkit.receiving.copies import suspected
from toolkit.receiving.pipeline import ReceivePipeline
from toolkit.receiving.pump import Pump
from toolkit.receiving.settlement import PublishCopy
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.port import Delivery

CHANCES = 2
"""Runs alone before a suspect is given up: one may have been cut short by a mere restart."""

_MOST_STRANGERS = 100  # suspects of other releases, held at once
_LOOK_EVERY = timedelta(seconds=5)
"""Between looks for suspects of other processes; one of our own is looked after at once."""

log = structlog.get_logger("toolkit.quarantine")


class Suspects(Protocol):
    """The queue of suspects."""

    async def count(self, queue: str) -> int:
        """How many there are."""
        ...

    async def take(self, queue: str) -> Delivery | None:
        """The next one, or None."""
        ...


class Quarantine:
    """The suspects of one service."""

    def __init__(
        self,
        queue: str,
        suspects: Suspects,
        pipelines: Mapping[str, ReceivePipeline],
        pumps: Sequence[Pump],
        publish: PublishCopy,
        *,
        clock: Clock = WALL,
    ) -> None:
        self._queue = queue
        self._suspects = suspects
        self._pipelines = pipelines
        self._pumps = pumps
        self._publish = publish
        self._clock = clock
        self._called = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._is_ending = False
        self._is_hearing = False
        self._is_at_it = False

    @property
    def is_busy(self) -> bool:
        """Whether it looks for suspects, hears one, or is about to."""
        return self._is_at_it or self._called.is_set()

    def start(self) -> None:
        """Pauses the pumps until the suspects that are there have been heard; then keeps an eye
        on their queue.
        """
        for pump in self._pumps:
            pump.pause()
        self._called.set()
        self._keeper = asyncio.create_task(self._keep(), name="quarantine")

    def call(self) -> None:
        """There is a new suspect."""
        self._called.set()

    async def finish(self) -> None:
        """Takes no further suspect, and returns once the one that is running is through."""
        self._is_ending = True
        if self._keeper is not None and not self._is_hearing:
            self._keeper.cancel()
        if self._keeper is not None:
            await asyncio.wait({self._keeper})

    async def stop(self) -> None:
        """Stops; a suspect that is running is given back."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    async def _keep(self) -> None:
        while not self._is_ending:
            self._called.clear()
            self._is_at_it = True
            try:
                if await self._suspects.count(self._queue):
                    await self._hear_all()
            except (PublishError, TransportError) as error:
                log.warning("the suspects can't be looked after", error=str(error))
            except Exception:
                # Whatever it was, the other consumers must not stand still because of it.
                log.exception("the quarantine failed")
            finally:
                self._resume()
                self._is_at_it = False
            await self._next_look()

    async def _next_look(self) -> None:
        timer = self._clock.call_later(_LOOK_EVERY, self._called.set)
        try:
            await self._called.wait()
        finally:
            timer.cancel()

    async def _hear_all(self) -> None:
        for pump in self._pumps:
            pump.pause()
        for pump in self._pumps:
            await pump.quiet()
        strangers: list[Delivery] = []
        try:
            while not self._is_ending and len(strangers) < _MOST_STRANGERS:
                delivery = await self._suspects.take(self._queue)
                if delivery is None:
                    return
                queue = wire.text(delivery.envelope.headers, wire.FAILED_QUEUE)
                pipeline = self._pipelines.get(queue or "")
                if pipeline is not None:
                    await self._hear(pipeline, delivery)
                    continue
                # Another release handles it; until then it is not in the way of those behind.
                log.error("a suspect of a consumer that is not here", queue=queue)
                strangers.append(delivery)
        finally:
            for stranger in strangers:
                await self._put_back(stranger)

    async def _put_back(self, stranger: Delivery) -> None:
        """As a fresh copy, confirmed before the original is acked: a mere look is no run, and
        before 4.3 even a voluntary return would count as one.
        """
        queue = wire.text(stranger.envelope.headers, wire.FAILED_QUEUE) or ""
        attempts = wire.count(stranger.envelope.headers, wire.ATTEMPTS)
        try:
            await self._publish(
                suspected(stranger, suspects=self._queue, queue=queue, attempts=attempts)
            )
        except (PublishError, TransportError, asyncio.CancelledError):
            stranger.give_back()
            raise
        stranger.ack()

    async def _hear(self, pipeline: ReceivePipeline, delivery: Delivery) -> None:
        earlier = pipeline.charge_of(delivery)
        self._is_hearing = True
        try:
            if earlier >= CHANCES:
                await pipeline.bury(delivery, DeadLetter("crashed", _crashed(earlier)))
            else:
                await pipeline.receive_alone(delivery)
        finally:
            self._is_hearing = False

    def _resume(self) -> None:
        for pump in self._pumps:
            pump.resume()


def _crashed(earlier: int) -> CrashedError:
    return CrashedError(
        f"delivered {earlier} times to run alone and never came to an outcome: its process died, "
        "or was killed, while it was handled"
    )
