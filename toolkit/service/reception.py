"""All consumers of a service at work, between its start and its end.

Receives a transport from the service, hands it to each intake and to the quarantine. The order of
beginning and ending is the point of this file.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from toolkit.observability.events import Quarantined
from toolkit.receiving.intake import Intake
from toolkit.receiving.quarantine import Quarantine
from toolkit.receiving.settlement import PublishCopy
from toolkit.topology import naming
from toolkit.transport.clock import Timer
from toolkit.transport.port import Transport

_BEAT = timedelta(minutes=1)

log = structlog.get_logger("toolkit.service")


class Reception:
    """The intakes of one service, and the quarantine that they share."""

    def __init__(
        self, service: str, intakes: Sequence[Intake], transport: Transport, publish: PublishCopy
    ) -> None:
        self.intakes = tuple(intakes)
        self._transport = transport
        self._quarantine = Quarantine(
            naming.suspects_queue(service),
            transport,
            {intake.queue: intake.pipeline for intake in intakes},
            [intake.pump for intake in intakes],
            publish,
            clock=transport.clock,
        )
        self._beat: Timer | None = None

    @property
    def busy(self) -> int:
        """See `Service.busy`."""
        return sum(intake.busy for intake in self.intakes) + self._quarantine.is_busy

    def call_quarantine(self, _: Quarantined) -> None:
        """There is a new suspect."""
        self._quarantine.call()

    async def begin(self) -> None:
        """Hears the suspects that are there, and consumes. Raises the errors of `subscribe`."""
        self._quarantine.start()
        self._next_beat()
        for intake in self.intakes:
            await intake.begin(self._transport)

    async def drain(self, grace: timedelta) -> None:
        """No further deliveries; what has not begun goes back; what has may end, within `grace`."""
        await asyncio.gather(*(intake.take_no_more() for intake in self.intakes))
        pumps = [intake.pump for intake in self.intakes]
        returned = sum(pump.return_waiting() for pump in pumps)
        running = sum(pump.running for pump in pumps)
        if returned or running:
            log.info("draining", returned=returned, running=running, grace=str(grace))
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self._quarantine.finish()
                for pump in pumps:
                    await pump.quiet()
        except TimeoutError:
            log.warning("the grace period is over", running=sum(pump.running for pump in pumps))

    async def end(self) -> None:
        """Cancels what still runs; each message goes back."""
        if self._beat is not None:
            self._beat.cancel()
        for intake in self.intakes:
            intake.is_ending = True
        await asyncio.gather(*(intake.take_no_more() for intake in self.intakes))
        await self._quarantine.stop()
        await asyncio.gather(*(intake.end() for intake in self.intakes))

    def _next_beat(self) -> None:
        self._beat = self._transport.clock.call_later(_BEAT, self._on_beat)

    def _on_beat(self) -> None:
        for intake in self.intakes:
            intake.warn_of_age()
        self._next_beat()
