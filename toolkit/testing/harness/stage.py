"""The broker under test, and what it takes to come to rest on it.

Receives services, hands them transports; knows whether anything is still under way, and lets time
pass.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from toolkit.errors import ToolkitError
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.service.connect import rabbitmq_at
from toolkit.service.service import Service
from toolkit.service.settings import Settings
from toolkit.testing.harness.watch import Losable, WatchedTransport, Watcher
from toolkit.topology import naming
from toolkit.topology.plan import rungs_of
from toolkit.transport.clock import WALL, Clock
from toolkit.transport.memory import MemoryBroker, MemoryTransport, VirtualClock
from toolkit.transport.memory.observation import DeadLettered, Observation
from toolkit.transport.memory.routing import topic_matches

Settle = Callable[[], Awaitable[None]]
Tell = Callable[[Envelope, str], None]


class Stage(Watcher, Protocol):
    """A broker for the length of one test."""

    @property
    def clock(self) -> Clock:
        """The time by which its delays pass."""
        ...

    def transport(self, service: str, settings: Settings, *, is_consuming: bool) -> Losable:
        """A service's way to this broker."""
        ...

    async def is_at_rest(
        self, services: Sequence[Service], transports: Iterable[WatchedTransport]
    ) -> bool:
        """Whether nothing is under way that needs no more than its turn."""
        ...

    async def advance(self, step: timedelta, settle: Settle) -> None:
        """Lets time pass; `settle` is awaited before and after whatever falls due."""
        ...


class MemoryStage:
    """A broker in this process, with a time of its own."""

    def __init__(self, services: Sequence[Service], tell: Tell) -> None:
        self._tell = tell
        self._queues = {s.queue for service in services for s in service.subscriptions}
        self.clock = VirtualClock(datetime.now(UTC), settle=self._settle)
        self.broker = MemoryBroker(clock=self.clock)
        self.broker.listeners.append(self._listen)
        self._settle_services: Settle | None = None

    def transport(self, service: str, settings: Settings, *, is_consuming: bool) -> Losable:
        """See `Stage`."""
        return MemoryTransport(self.broker, service=service, topology=settings.topology)

    async def is_at_rest(
        self, services: Sequence[Service], transports: Iterable[WatchedTransport]
    ) -> bool:
        """See `Stage`. Who sleeps by the virtual clock is at rest: only time can wake him."""
        if self.broker.is_moving or any(transport.publishing for transport in transports):
            return False
        return sum(service.busy for service in services) == self.clock.sleepers

    async def advance(self, step: timedelta, settle: Settle) -> None:
        """See `Stage`."""
        self._settle_services = settle
        await self.clock.advance(step)

    def confirmed(self, publication: Publication) -> None:
        """See `Watcher`. The broker itself knows what it has to do."""

    def acked(self, queue: str, envelope: Envelope) -> None:
        """See `Watcher`."""

    def _listen(self, observation: Observation) -> None:
        """What the broker gives up by itself, no service ever hears of."""
        if isinstance(observation, DeadLettered) and observation.queue in self._queues:
            self._tell(observation.envelope, f"the broker dead-lettered it: {observation.reason}")

    async def _settle(self) -> None:
        if self._settle_services is not None:
            await self._settle_services()


class RabbitStage:
    """A RabbitMQ. What it has to do is known from what it confirmed and what it was told.

    A message that was confirmed for a queue of these services is expected to be acknowledged
    there; one on a rung, once its delay is over. What strangers publish is seen when it comes.
    """

    clock = WALL

    def __init__(self, url: str, services: Sequence[Service]) -> None:
        self._url = url
        self._bindings = [binding for s in services for binding in s.topology.bindings]
        self._queues = {s.queue for service in services for s in service.subscriptions}
        self._rungs = {
            naming.rung(service.name, rung): rung
            for service in services
            for rung in rungs_of(service.subscriptions)
        }
        self._expected: Counter[tuple[str, str | None]] = Counter()
        self._delayed: list[tuple[datetime, str, str | None]] = []

    def transport(self, service: str, settings: Settings, *, is_consuming: bool) -> Losable:
        """See `Stage`."""
        return rabbitmq_at((self._url,), service, settings, is_consuming=is_consuming)

    async def is_at_rest(
        self, services: Sequence[Service], transports: Iterable[WatchedTransport]
    ) -> bool:
        """See `Stage`."""
        self._expect_what_is_due()
        consumed = {
            subscription.queue
            for service in services
            if service.is_running
            for subscription in service.subscriptions
            if subscription.queue not in service.suspended
        }
        if any(left > 0 for (queue, _), left in self._expected.items() if queue in consumed):
            return False
        if any(transport.publishing for transport in transports):
            return False
        return not any(s.busy or s.missing for s in services if s.is_running)

    async def advance(self, step: timedelta, settle: Settle) -> None:
        """See `Stage`. Nobody can hurry a broker: this takes as long as it says."""
        await settle()
        await asyncio.sleep(step.total_seconds())
        await settle()

    def confirmed(self, publication: Publication) -> None:
        """See `Watcher`."""
        message_id = publication.envelope.message_id
        if delay := self._rungs.get(publication.exchange):
            due = self.clock.now() + delay
            self._delayed.append((due, publication.routing_key, message_id))
            return
        for queue in self._reached(publication):
            self._expected[queue, message_id] += 1

    def acked(self, queue: str, envelope: Envelope) -> None:
        """See `Watcher`."""
        self._expected[queue, envelope.message_id] -= 1

    def _reached(self, publication: Publication) -> set[str]:
        key = publication.routing_key
        if publication.exchange == naming.DEFAULT_EXCHANGE:
            return {key} & self._queues
        return {
            binding.queue
            for binding in self._bindings
            if binding.exchange == publication.exchange and topic_matches(binding.routing_key, key)
        }

    def _expect_what_is_due(self) -> None:
        now = self.clock.now()
        for entry in [entry for entry in self._delayed if entry[0] <= now]:
            self._delayed.remove(entry)
            _, queue, message_id = entry
            self._expected[queue, message_id] += 1


def stage_at(broker: str | None, services: Sequence[Service], tell: Tell) -> Stage:
    """The stage for an address; None and `memory://` are a broker of this test alone. `tell` is for
    what becomes of messages without a service knowing.

    Raises `ToolkitError` for an address that is none.
    """
    if broker is None or broker.startswith("memory:"):
        return MemoryStage(services, tell)
    if broker.startswith(("amqp:", "amqps:")):
        return RabbitStage(broker, services)
    raise ToolkitError(
        f"'{broker}' is no broker for a harness; use memory:// or amqp://user:password@host/vhost"
    )
