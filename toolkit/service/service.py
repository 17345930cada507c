"""The composition root: consumers and producers become a running service.

Receives declarations and settings, hands deliveries to pumps and messages to the transport. The
order of start and stop is the whole point of this file.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
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
from toolkit.receiving.consumer import Consumer, subscription_of
from toolkit.receiving.intake import Intake
from toolkit.receiving.pipeline import Incoming
from toolkit.receiving.settlement import Settlement
from toolkit.sending.pipeline import SendPipeline
from toolkit.sending.producer import Producer
from toolkit.service.check import check_each, check_together
from toolkit.service.condition import ServiceCondition, ServiceState
from toolkit.service.connect import Connect, by_address
from toolkit.service.presentation import introduce
from toolkit.service.reception import Reception
from toolkit.service.settings import Settings
from toolkit.topology.declarations import Topology
from toolkit.topology.plan import Subscription, plan, rungs_of
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.condition import ConsumerCondition
from toolkit.transport.port import Transport

Lifespan = Callable[["Service"], AbstractAsyncContextManager[Any]]
"""What a service needs around its work: `async with lifespan(service)` once it is connected,
before the first message, and until after the last."""

log = structlog.get_logger("toolkit.service")

_GOODBYE = timedelta(seconds=6)  # for a broker to hear the last marks
_SHORTLY = timedelta(seconds=1)  # for one that has not answered before


@asynccontextmanager
async def _nothing_around(_: "Service") -> AsyncIterator[None]:
    yield


class Service:
    """Consumers and producers under one name.

    Everything is checked here, before anything connects: `ConfigurationError` lists all
    problems. Use it as `async with service:`, or run it with `toolkit run module:service`.

    `settings` are those of the environment unless given. `lifespan` is an async context manager
    around the service's work: entered once it is connected, before the first message, and left
    after the last. `receiving` and `sending` are middleware, the outermost first. `codec` reads
    and writes bodies: JSON, unless given.
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
        self._reception: Reception | None = None
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
        self.hooks.add(self._on_suspect, Quarantined)
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
            consumers=self._consumers(since),
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Queues whose consumer is not registered with the broker, though it should be."""
        return tuple(one.queue for one in self.condition.consumers if not one.is_registered)

    @property
    def suspended(self) -> tuple[str, ...]:
        """Queues that aren't consumed, or by a probe only, because a kill switch has tripped."""
        intakes = self._reception.intakes if self._reception else ()
        return tuple(intake.queue for intake in intakes if intake.suspended_since)

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
        return self._reception.busy if self._reception else 0

    async def start(self, *, connect: Connect = by_address) -> None:
        """Connects, declares, and begins to consume.

        `connect` makes the transport; by default the one that `settings.amqp_url` names. Raises
        `BrokerUnreachableError`, `AccessRefusedError`, `TlsError` or `TopologyError`, with
        everything closed again.
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
            if isinstance(error, asyncio.CancelledError) and self._reception is not None:
                # Told to stop between the first consumer and the last: what runs may end.
                await self._reception.drain(self.settings.shutdown_grace)
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
        try:
            if self._reception is not None:
                grace = self.settings.shutdown_grace if grace is None else grace
                await self._reception.drain(grace)
        finally:
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
        intakes = [
            self._intake(consumer, subscription)
            for consumer, subscription in zip(self.consumers, self.subscriptions, strict=True)
        ]
        self._reception = Reception(self.name, intakes, transport, self._publish_copy)
        await self._reception.begin()

    def _intake(self, consumer: Consumer[Any], subscription: Subscription) -> Intake:
        settlement = Settlement(
            self.name,
            subscription,
            rungs=rungs_of(self.subscriptions),
            publish=self._publish_copy,
            sending=self._sending,
            hooks=self.hooks,
            clock=self._clock,
        )
        return Intake(
            consumer,
            subscription,
            settlement,
            codec=self.codec,
            sending=self._sending,
            hooks=self.hooks,
            crash_budget=self.settings.crash_budget,
            clock=self._clock,
            middlewares=self._middlewares,
        )

    def _consumers(self, since: datetime) -> tuple[ConsumerCondition, ...]:
        if self._reception is None:
            return tuple(ConsumerCondition(queue=s.queue, since=since) for s in self.subscriptions)
        return tuple(intake.condition(since) for intake in self._reception.intakes)

    def _on_suspect(self, event: Quarantined) -> None:
        if self._reception is not None:
            self._reception.call_quarantine(event)

    async def _close(self, transport: Transport, *, within: timedelta) -> None:
        if self._reception is not None:
            await self._reception.end()
            self._reception = None
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

    def _publish(self, publication: Publication, timeout: timedelta) -> Awaitable[None]:
        return self._running_transport().publish(publication, timeout=timeout)

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
