"""Outcome to settlement: the one place where a message is settled.

Receives an outcome from the pipeline, hands copies to the transport and a mark to the delivery.
A copy is confirmed before the original is acked; if it can't be, the original stays queued.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from toolkit.errors import (
    MessageTooLargeError,
    PublishError,
    ToolkitError,
    TransportError,
    UnroutableError,
)
from toolkit.messages.outgoing import Publication
from toolkit.observability.events import (
    DeadLettered,
    DiscardedByHandler,
    Handled,
    Quarantined,
    RetryScheduled,
    SettlementFailed,
)
from toolkit.observability.hooks import Hooks
from toolkit.policies.dead_letter import FaultRecord
from toolkit.policies.outcome import (
    Ack,
    DeadLetter,
    Discarded,
    Outcome,
    Quarantine,
    RetryLater,
)
from toolkit.receiving import copies
from toolkit.receiving.context import Context, Sending
from toolkit.topology import naming
from toolkit.topology.plan import Subscription
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.port import Delivery

PublishCopy = Callable[[Publication], Awaitable[None]]

_FIRST_PAUSE = timedelta(seconds=1)  # before a message whose copy failed goes back
_LONGEST_PAUSE = timedelta(seconds=30)

HANDLERS_FAULT = (UnroutableError, MessageTooLargeError)
"""Failures of a handler's publishes that another try of the publish alone can't mend."""


class Settlement:
    """Settles the messages of one consumer."""

    def __init__(
        self,
        service: str,
        subscription: Subscription,
        *,
        rungs: Sequence[timedelta],
        publish: PublishCopy,
        sending: Sending,
        hooks: Hooks,
        clock: Clock = WALL,
    ) -> None:
        self._service = service
        self._subscription = subscription
        self._rungs = rungs
        self._publish = publish
        self._sending = sending
        self._hooks = hooks
        self._clock = clock
        self._tells_success = hooks.wants(Handled)

    def acknowledge(self, delivery: Delivery, context: Context, started: float) -> None:
        """Settles a message that was handled, and in whose handling nothing was published."""
        delivery.ack()
        if self._tells_success:
            seconds = time.perf_counter() - started
            self._hooks.emit(Handled(**context.facts(), seconds=seconds))

    async def settle(
        self, delivery: Delivery, context: Context, outcome: Outcome, started: float
    ) -> bool:
        """Carries out an outcome. Whether that is the end of this try of the message: not where
        the original stays queued, nor where a copy goes on under the same count of attempts.

        Raises one of `HANDLERS_FAULT`, with nothing settled, where what the handler published
        can't be published at all: that is a failure for the retry policy. What can't be
        confirmed for any other reason leaves the original in its queue.
        """
        try:
            return await self._carry_out(delivery, context, outcome, started)
        except (PublishError, TransportError) as error:
            if isinstance(outcome, Ack) and isinstance(error, HANDLERS_FAULT):
                raise
            self._hooks.emit(SettlementFailed(**context.facts(), error=error))
            await self._leave_queued(delivery)
            return False

    async def _carry_out(
        self, delivery: Delivery, context: Context, outcome: Outcome, started: float
    ) -> bool:
        match outcome:
            case Ack():
                if context.held:
                    await self._release(context)
                self.acknowledge(delivery, context, started)
            case RetryLater():
                await self._delay(delivery, context, outcome)
                return outcome.counts
            case DeadLetter():
                await self._bury(delivery, context, outcome)
            case Discarded(reason=reason):
                delivery.ack()
                self._hooks.emit(DiscardedByHandler(**context.facts(), reason=reason))
            case Quarantine():
                await self._suspect(delivery, context)
                return False
        return True

    async def _release(self, context: Context) -> None:
        """Publishes what the handler held back; all of it, even if one fails."""
        if len(context.held) == 1:
            await self._sending.release(context.held[0])
            return
        results = await asyncio.gather(
            *map(self._sending.release, context.held), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _delay(self, delivery: Delivery, context: Context, outcome: RetryLater) -> None:
        copy = copies.delayed(
            delivery,
            service=self._service,
            queue=self._subscription.queue,
            delay=outcome.delay,
            rungs=self._rungs,
            rounds=context.rounds + outcome.counts,
            attempts=context.attempt,
            now=self._clock.now(),
        )
        try:
            await self._publish(copy)
        except MessageTooLargeError as error:
            await self._bury(delivery, context, DeadLetter("failed", outcome.error or error))
            return
        delivery.ack()
        if outcome.counts:
            self._hooks.emit(
                RetryScheduled(**context.facts(), delay=outcome.delay, error=outcome.error)
            )

    async def _bury(self, delivery: Delivery, context: Context, outcome: DeadLetter) -> None:
        queue = self._subscription.dead_letter_queue
        record = self._record(delivery, context, outcome)
        too_large: MessageTooLargeError | None = None
        for copy in copies.dead(delivery, record, queue=queue):
            try:
                await self._publish(copy)
                break
            except MessageTooLargeError as error:
                too_large = error
        else:
            raise too_large or ToolkitError("no copy was made")
        delivery.ack()
        self._hooks.emit(
            DeadLettered(
                **context.facts(),
                reason=outcome.reason,
                error=outcome.error,
                dead_letter_queue=queue,
            )
        )

    async def _suspect(self, delivery: Delivery, context: Context) -> None:
        await self._publish(
            copies.suspected(
                delivery,
                suspects=naming.suspects_queue(self._service),
                queue=self._subscription.queue,
                attempts=context.attempt,
            )
        )
        delivery.ack()
        earlier = delivery.earlier_deliveries
        self._hooks.emit(Quarantined(**context.facts(), earlier_deliveries=earlier))

    def _record(self, delivery: Delivery, context: Context, outcome: DeadLetter) -> FaultRecord:
        now = self._clock.now()
        exchange, routing_key = copies.origin_of(delivery)
        return FaultRecord(
            reason=outcome.reason,
            error=outcome.error,
            attempts=context.attempt,
            first_failed_at=copies.first_failure(delivery, now),
            failed_at=now,
            queue=self._subscription.queue,
            consumer=self._subscription.consumer,
            service=self._service,
            host=socket.gethostname(),
            original_exchange=exchange,
            original_routing_key=routing_key,
        )

    async def _leave_queued(self, delivery: Delivery) -> None:
        """After a pause, so that a message that can't be settled doesn't spin."""
        pause = _FIRST_PAUSE * 2 ** min(delivery.earlier_deliveries, 5)
        await self._clock.sleep(min(pause, _LONGEST_PAUSE))
        delivery.reject()
