"""The composition root: consumers and producers become a running service.

Receives declarations and settings, hands deliveries to pumps and messages to the transport. The
order of start and stop is the whole point of this file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import zip_longest
from types import TracebackType
from typing import Any, Self

import structlog

from toolkit.errors import BrokerUnreachableError, ConfigurationError, TransportError
from toolkit.messages.codec import Codec, JsonCodec
from toolkit.messages.contract import Contract
from toolkit.messages.outgoing import Outgoing, Publication
from toolkit.middleware import Middleware
from toolkit.observability.events import Quarantined
from toolkit.observability.hooks import Hooks
from toolkit.observability.logging import LogHook
from toolkit.receiving.consumer import Consumer, prefetch_of, subscription_of
from toolkit.receiving.pipeline import Incoming, ReceivePipeline
from toolkit.receiving.pump import Pump
from toolkit.receiving.quarantine import Quarantine
from toolkit.receiving.settlement import Settlement
from toolkit.receiving.switch import Switch
from toolkit.sending.pipeline import SendPipeline
from toolkit.sending.producer import Producer
from toolkit.service.check import check_each, check_together
from toolkit.service.condition import ServiceCondition, ServiceState
from toolkit.service.connect import Connect, by_address
from toolkit.service.presentation import introduce
from toolkit.service.settings import Settings
from toolkit.topology import naming
from toolkit.topology.declarations import Topology
from toolkit.topology.plan import Subscription, plan, rungs_of
from toolkit.transport.clock import WALL, Clock, Timer
from toolkit.transport.condition import ConsumerCondition, ConsumerState
from toolkit.transport.port import Subscriber, Transport

Lifespan = Callable[["Service"], AbstractAsyncContextManager[Any]]
"""What a service needs around its work: `async with lifespan(service)` once it is connected,
before the first message, and until after the last."""

log = structlog.get_logger("toolkit.service")

_GOODBYE = timedelta(seconds=6)  # for a broker to hear the last marks
_BEAT = timedelta(minutes=1)
_TOO_OLD = 24  # beats: the broker gives up on a consumer after 30 minutes, unless told otherwise
_SHORTLY = timedelta(seconds=1)  # for one that has not answered before


@asynccontextmanager
async def _nothing_around(_: "Service") -> AsyncIterator[None]:
    yield


class Service:
    """Consumers and producers under one name.

    Everything is checked here, before anything connects: `ConfigurationError` lists all
    problems. Use it as `async with service:`, or run it with `toolkit run module:service`.
    """

    def __init__(
        self,
        name: str,
        *,
        consumers: Sequence[Consumer[Any]] = (),
        producers: Sequence[type[Producer]] = (),
        settings: Settings | None = None,
        lifespan: Lifespan = _nothing_around,
        receiving: Sequence[Middleware[Incoming]] = (),
        sending: Sequence[Middleware[Outgoing]] = (),
        codec: Codec | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or Settings()
        self.consumers = tuple(consumers)
        self.producers = tuple(producers)
        check_each(name, self.consumers, self.producers, self.settings.crash_budget)
        self.subscriptions = tuple(subscription_of(name, c) for c in self.consumers)
        check_together(name, self.subscriptions, self.producers)
        self.topology: Topology = plan(name, self.subscriptions, self.published)
        self.hooks = Hooks()
        self._lifespan = lifespan
        self._middlewares = tuple(receiving)
        self.codec: Codec = codec or JsonCodec()
        self._transport: Transport | None = None
        self._opening: Transport | None = None
        self._clock: Clock = WALL
        self._state = (ServiceState.STOPPED, self._clock.now())
        self._pumps: list[Pump] = []
        self._switches: dict[str, Switch] = {}
        self._subscribers: list[Subscriber] = []
        self._quarantine: Quarantine | None = None
        self._is_over = False
        self._beat: Timer | None = None
        self._stack = AsyncExitStack()
        self._sending = SendPipeline(
            name,
            self._publish,
            self.codec,
            self.hooks,
            timeout=self.settings.publish_timeout,
            max_body=self.settings.max_body,
            now=self._now,
            middlewares=sending,
        )
        for producer in self.producers:
            for declared in producer.declared():
                self._sending.declare(declared.route())
        self.hooks.add(self._call_quarantine, Quarantined)
        LogHook(self.hooks, logs_success=self.settings.log_level == "debug")

    @property
    def published(self) -> tuple[Contract, ...]:
        """What the producers declare."""
        return tuple(d.contract for producer in self.producers for d in producer.declared())

    @property
    def broker(self) -> str:
        """The broker and its version; no credentials."""
        return self._running_transport().description

    @property
    def is_running(self) -> bool:
        """Whether it is connected: between `start` and `stop`."""
        return self._transport is not None

    @property
    def condition(self) -> ServiceCondition:
        """How it stands right now: known without asking the broker, and from any thread."""
        state, since = self._state
        transport = self._transport or self._opening
        return ServiceCondition(
            service=self.name,
            state=state,
            since=since,
            connections=transport.connections if transport else (),
            consumers=tuple(
                ConsumerCondition(queue=subscription.queue, since=since)
                if subscriber is None
                else self._with_switch(subscriber.condition)
                for subscription, subscriber in zip_longest(self.subscriptions, self._subscribers)
            ),
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Queues whose consumer is not registered with the broker, though it should be."""
        return tuple(one.queue for one in self.condition.consumers if not one.is_registered)

    @property
    def suspended(self) -> tuple[str, ...]:
        """Queues that aren't consumed, or by a probe only, because a kill switch has tripped."""
        return tuple(queue for queue, s in self._switches.items() if s.suspended_since)

    def sending_for(self, producer: type[Producer]) -> SendPipeline:
        """The way out for a declared producer; see `Producer`."""
        if producer not in self.producers:
            raise ConfigurationError(
                f"{producer.__name__} can't publish",
                [_undeclared(producer.__name__, self.name)],
            )
        return self._sending

    @property
    def busy(self) -> int:
        """How many messages are being handled, or are about to be without anything else having
        to happen first.
        """
        suspects = self._quarantine is not None and self._quarantine.is_busy
        switching = sum(switch.is_busy for switch in self._switches.values())
        return sum(pump.busy for pump in self._pumps) + suspects + switching

    async def start(self, *, connect: Connect = by_address) -> None:
        """Connects, declares, and begins to consume.

        `connect` makes the transport; by default the one that `settings.amqp_url` names. Raises
        `BrokerUnreachableError`, `AccessRefusedError` or `TopologyError`, with everything closed
        again.
        """
        if self._transport is not None:
            raise RuntimeError(f"service '{self.name}' is running already")
        transport = connect(self.name, self.settings, bool(self.consumers))
        self._clock, self._opening = transport.clock, transport
        self._become(ServiceState.STARTING)
        try:
            await transport.open(self.topology)
            self._transport = transport
            await self._stack.enter_async_context(self._lifespan(self))
            await self._consume_in_time(transport)
        except BaseException as error:
            is_silent = isinstance(error, BrokerUnreachableError)
            await self._close(transport, within=_SHORTLY if is_silent else _GOODBYE)
            raise
        self._become(ServiceState.RUNNING)
        introduce(self)

    async def stop(self, grace: timedelta | None = None) -> None:
        """Stops in order: no further deliveries, return what has not begun, wait for what has
        up to `grace`, tell the broker, disconnect. Idempotent.
        """
        if self._transport is None:
            return
        transport = self._transport
        self._become(ServiceState.STOPPING)
        await self._drain(self.settings.shutdown_grace if grace is None else grace)
        await self._close(transport, within=_GOODBYE)
        log.info("service stopped", service=self.name)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _consume_in_time(self, transport: Transport) -> None:
        limit = self.settings.connect_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):
                await self._consume(transport)
        except TimeoutError as error:
            raise BrokerUnreachableError(
                f"{transport.description} took the connection, but its answers stay away: the "
                f"consumers could not be registered within {limit:g}s"
            ) from error

    async def _consume(self, transport: Transport) -> None:
        if not self.consumers:
            return
        self._switches = {
            subscription.queue: Switch(
                consumer.kill_switch,
                consumer.name,
                subscription.queue,
                prefetch=prefetch_of(consumer),
                hooks=self.hooks,
                clock=transport.clock,
            )
            for consumer, subscription in zip(self.consumers, self.subscriptions, strict=True)
            if consumer.kill_switch is not None
        }
        pipelines = {
            subscription.queue: self._pipeline(consumer, subscription)
            for consumer, subscription in zip(self.consumers, self.subscriptions, strict=True)
        }
        pumps = [
            Pump(queue, pipeline.receive, concurrency=consumer.concurrency, clock=transport.clock)
            for consumer, (queue, pipeline) in zip(self.consumers, pipelines.items(), strict=True)
        ]
        self._pumps = pumps
        self._quarantine = Quarantine(
            naming.suspects_queue(self.name),
            transport,
            pipelines,
            pumps,
            self._publish_copy,
            clock=transport.clock,
        )
        self._is_over = False
        self._quarantine.start()
        self._beat = self._clock.call_later(_BEAT, self._look_for_old_messages)
        for consumer, pump, subscription in zip(
            self.consumers, pumps, self.subscriptions, strict=True
        ):
            pump.start()
            subscriber = await transport.subscribe(
                subscription.queue, prefetch=prefetch_of(consumer), deliver=pump.deliver
            )
            self._subscribers.append(subscriber)
            if switch := self._switches.get(subscription.queue):
                switch.attach(pump, subscriber)

    def _pipeline(self, consumer: Consumer[Any], subscription: Subscription) -> ReceivePipeline:
        settlement = Settlement(
            self.name,
            subscription,
            rungs=rungs_of(self.subscriptions),
            publish=self._publish_copy,
            sending=self._sending,
            hooks=self.hooks,
            clock=self._clock,
        )
        return ReceivePipeline(
            consumer,
            subscription,
            settlement,
            codec=self.codec,
            sending=self._sending,
            hooks=self.hooks,
            crash_budget=self.settings.crash_budget,
            is_stopping=lambda: self._is_over,
            prefetch=prefetch_of(consumer),
            switch=self._switches.get(subscription.queue),
            clock=self._clock,
            middlewares=self._middlewares,
        )

    def _look_for_old_messages(self) -> None:
        """Warns before the broker loses patience
        (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout).
        """
        for subscription, pump in zip(self.subscriptions, self._pumps, strict=True):
            age = pump.tick()
            if age >= _TOO_OLD:
                log.warning(
                    "a message is unacknowledged for long; after its consumer_timeout, 30 minutes "
                    "unless set, the broker takes it away and delivers it again",
                    queue=subscription.queue,
                    minutes=age,
                )
        self._beat = self._clock.call_later(_BEAT, self._look_for_old_messages)

    def _with_switch(self, condition: ConsumerCondition) -> ConsumerCondition:
        switch = self._switches.get(condition.queue)
        since = switch.suspended_since if switch else None
        if since is None:
            return condition
        return replace(
            condition,
            state=ConsumerState.SUSPENDED,
            since=since,
            reason="its kill switch has tripped: too many of its runs failed",
        )

    def _call_quarantine(self, _: Quarantined) -> None:
        if self._quarantine is not None:
            self._quarantine.call()

    async def _drain(self, grace: timedelta) -> None:
        await asyncio.gather(*(switch.stop() for switch in self._switches.values()))
        await asyncio.gather(*(subscriber.stop() for subscriber in self._subscribers))
        returned = sum(pump.return_waiting() for pump in self._pumps)
        running = sum(pump.running for pump in self._pumps)
        if returned or running:
            log.info("draining", returned=returned, running=running, grace=str(grace))
        try:
            async with asyncio.timeout(grace.total_seconds()):
                if self._quarantine is not None:
                    await self._quarantine.finish()
                for pump in self._pumps:
                    await pump.quiet()
        except TimeoutError:
            log.warning("the grace period is over", running=sum(p.running for p in self._pumps))

    async def _end(self) -> None:
        """Cancels what still runs; each message goes back."""
        self._is_over = True
        if self._beat is not None:
            self._beat.cancel()
        await asyncio.gather(*(switch.stop() for switch in self._switches.values()))
        await asyncio.gather(*(subscriber.stop() for subscriber in self._subscribers))
        if self._quarantine is not None:
            await self._quarantine.stop()
        await asyncio.gather(*(pump.stop() for pump in self._pumps))
        self._pumps, self._subscribers, self._quarantine = [], [], None
        self._switches = {}

    async def _close(self, transport: Transport, *, within: timedelta) -> None:
        await self._end()
        try:
            await self._stack.aclose()
        finally:
            self._stack = AsyncExitStack()
            self._transport = self._opening = None
            self._become(ServiceState.STOPPED)
            await transport.close(within=within)

    def _become(self, state: ServiceState) -> None:
        self._state = (state, self._now())  # in one, for those who look from another thread

    def _now(self) -> datetime:
        return self._clock.now()

    async def _publish(self, publication: Publication, timeout: timedelta) -> None:
        await self._running_transport().publish(publication, timeout=timeout)

    async def _publish_copy(self, publication: Publication) -> None:
        await self._publish(publication, self.settings.publish_timeout)

    def _running_transport(self) -> Transport:
        if self._transport is None:
            raise TransportError(
                f"service '{self.name}' isn't running; use `async with service:` around this, "
                "or `toolkit run`"
            )
        return self._transport


def _undeclared(producer: str, service: str) -> str:
    return (
        f"it isn't among the producers of service '{service}'; "
        f"add it: Service('{service}', producers=[{producer}])"
    )
