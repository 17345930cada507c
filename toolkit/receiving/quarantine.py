"""Messages that kill their process: run alone, then given up.

Receives suspects from their own queue, hands each to its consumer's pipeline while everything
else in this process stands still.

With a prefetch above one a crash charges every message that was held, so a delivery count over
the budget makes a message a suspect, not a culprit. Suspects are moved to a queue of their own
that is read with a prefetch of one: there a crash charges exactly the message that ran.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from toolkit.errors import CrashedError
from toolkit.messages import headers as wire
from toolkit.policies.outcome import DeadLetter
from toolkit.receiving.pipeline import ReceivePipeline
from toolkit.receiving.pump import Pump
from toolkit.transport.port import Delivery

CHANCES = 2
"""Runs alone before a suspect is given up: one may have been cut short by a mere restart."""

_PAUSE = 30.0  # seconds before a suspect that nobody here handles is offered again

log = structlog.get_logger("toolkit.quarantine")


class Quarantine:
    """The suspects of one service."""

    def __init__(self, pipelines: Mapping[str, ReceivePipeline], pumps: Sequence[Pump]) -> None:
        self._pipelines = pipelines
        self._pumps = pumps

    async def receive(self, delivery: Delivery) -> None:
        """One suspect, alone."""
        queue = wire.text(delivery.envelope.headers, wire.FAILED_QUEUE)
        pipeline = self._pipelines.get(queue or "")
        if pipeline is None:
            log.error("a suspect of a consumer that is not here", queue=queue)
            await asyncio.sleep(_PAUSE)
            delivery.give_back()
            return
        earlier = delivery.earlier_deliveries
        if earlier >= CHANCES:
            await pipeline.bury(delivery, DeadLetter("crashed", _crashed(earlier)))
            return
        await self._alone(pipeline, delivery)

    async def _alone(self, pipeline: ReceivePipeline, delivery: Delivery) -> None:
        for pump in self._pumps:
            pump.pause()
        try:
            for pump in self._pumps:
                await pump.quiet()
            await pipeline.receive_alone(delivery)
        finally:
            for pump in self._pumps:
                pump.resume()


def _crashed(earlier: int) -> CrashedError:
    return CrashedError(
        f"delivered {earlier} times to run alone and never came to an outcome: its process died, "
        "or was killed, while it was handled"
    )
