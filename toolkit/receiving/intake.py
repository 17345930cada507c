"""One consumer at work: its pipeline, its workers, its subscription and its kill switch.

Receives a transport from the service, hands deliveries to the pump; begins and ends as one.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from toolkit.messages.codec import Codec
from toolkit.middleware import Middleware
from toolkit.observability.hooks import Hooks
from toolkit.receiving.consumer import Consumer, prefetch_of
from toolkit.receiving.context import Sending
from toolkit.receiving.pipeline import Incoming, ReceivePipeline
from toolkit.receiving.pump import Pump
from toolkit.receiving.settlement import Settlement
from toolkit.receiving.switch import Switch
from toolkit.topology.plan import Subscription
from toolkit.transport.clock import Clock
from toolkit.transport.condition import ConsumerCondition, ConsumerState
from toolkit.transport.port import Subscriber, Transport

_TOO_OLD = 24  # beats of a minute: the broker takes messages away after 30, unless told otherwise

log = structlog.get_logger("toolkit.receiving")


class Intake:
    """All that is one consumer's, begun and ended together."""

    def __init__(
        self,
        consumer: Consumer[Any],
        subscription: Subscription,
        settlement: Settlement,
        *,
        codec: Codec,
        sending: Sending,
        hooks: Hooks,
        crash_budget: int,
        clock: Clock,
        middlewares: Sequence[Middleware[Incoming]],
    ) -> None:
        self.queue = subscription.queue
        self._prefetch = prefetch_of(consumer)
        self._switch: Switch | None = None
        if consumer.kill_switch is not None:
            self._switch = Switch(
                consumer.kill_switch,
                consumer.name,
                self.queue,
                prefetch=self._prefetch,
                hooks=hooks,
                clock=clock,
            )
        self.pipeline = ReceivePipeline(
            consumer,
            subscription,
            settlement,
            codec=codec,
            sending=sending,
            hooks=hooks,
            crash_budget=crash_budget,
            is_stopping=lambda: self.is_ending,
            prefetch=self._prefetch,
            switch=self._switch,
            clock=clock,
            middlewares=middlewares,
        )
        self.pump = Pump(
            self.queue,
            self.pipeline.receive,
            concurrency=consumer.concurrency,
            survive=self.pipeline.survive,
            clock=clock,
        )
        self._subscriber: Subscriber | None = None
        self.is_ending = False
        """Whether a run that is cancelled now is cancelled by us."""

    @property
    def suspended_since(self) -> datetime | None:
        """Since when its kill switch keeps it from taking messages, if it does."""
        return self._switch.suspended_since if self._switch else None

    @property
    def busy(self) -> int:
        """See `Service.busy`."""
        return self.pump.busy + (self._switch is not None and self._switch.is_busy)

    def condition(self, since: datetime) -> ConsumerCondition:
        """How it stands; if it has not begun yet, unregistered since then."""
        if self._subscriber is None:
            return ConsumerCondition(queue=self.queue, since=since)
        if self.suspended_since is None:
            return self._subscriber.condition
        return replace(
            self._subscriber.condition,
            state=ConsumerState.SUSPENDED,
            since=self.suspended_since,
            reason="its kill switch has tripped: too many of its runs failed",
        )

    async def begin(self, transport: Transport) -> None:
        """Starts the workers and consumes. Raises the errors of `Transport.subscribe`."""
        self.pump.start()
        self._subscriber = await transport.subscribe(
            self.queue, prefetch=self._prefetch, deliver=self.pump.deliver
        )
        if self._switch is not None:
            self._switch.attach(self.pump, self._subscriber)

    async def take_no_more(self) -> None:
        """Ends deliveries. What has come goes on."""
        if self._switch is not None:
            await self._switch.stop()
        if self._subscriber is not None:
            await self._subscriber.stop()

    async def end(self) -> None:
        """Cancels what still runs; each message goes back."""
        await self.pump.stop()
        self.pipeline.close()

    def warn_of_age(self) -> None:
        """For a beat a minute: says so before the broker loses patience
        (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout).
        """
        minutes = self.pump.tick()
        if minutes >= _TOO_OLD:
            log.warning(
                "a message is unacknowledged for long; after its consumer_timeout, 30 minutes "
                "unless set, the broker takes it away and delivers it again",
                queue=self.queue,
                minutes=minutes,
            )
