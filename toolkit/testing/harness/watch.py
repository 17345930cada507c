"""A transport under observation: all that a service does passes through it.

Receives the engine's calls, hands them on to the real transport unless a fault was ordered, and
tells the journal and the stage.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from toolkit.errors import MessageTooLargeError, PublishError, RefusedError, UnroutableError
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.testing.harness.fault import Faults
from toolkit.testing.harness.journal import Journal
from toolkit.testing.harness.record import Fate
from toolkit.topology import naming
from toolkit.topology.declarations import Topology
from toolkit.transport.clock import Clock
from toolkit.transport.condition import ConnectionCondition
from toolkit.transport.port import Delivery, Subscriber, Transport

_BUSES = (naming.EVENTS, naming.COMMANDS)


class Losable(Transport, Protocol):
    """A transport whose connection a test can cut."""

    def lose_connection(self) -> None:
        """Cuts it, as the network would; it is mended as after any cut."""
        ...


class Watcher(Protocol):
    """Who wants to know what a broker has to do."""

    def confirmed(self, publication: Publication) -> None:
        """The broker took a message."""
        ...

    def acked(self, queue: str, envelope: Envelope) -> None:
        """The broker is told that a message of a queue is done with."""
        ...


class WatchedDelivery:
    """See `Delivery`."""

    __slots__ = ("_ack", "_delivery")

    def __init__(self, delivery: Delivery, ack: Callable[[Delivery], None]) -> None:
        self._delivery = delivery
        self._ack = ack

    @property
    def envelope(self) -> Envelope:
        """See `Delivery`."""
        return self._delivery.envelope

    @property
    def exchange(self) -> str:
        """See `Delivery`."""
        return self._delivery.exchange

    @property
    def routing_key(self) -> str:
        """See `Delivery`."""
        return self._delivery.routing_key

    @property
    def is_redelivered(self) -> bool:
        """See `Delivery`."""
        return self._delivery.is_redelivered

    @property
    def earlier_deliveries(self) -> int:
        """See `Delivery`."""
        return self._delivery.earlier_deliveries

    @property
    def is_live(self) -> bool:
        """See `Delivery`."""
        return self._delivery.is_live

    @property
    def is_settled(self) -> bool:
        """See `Delivery`."""
        return self._delivery.is_settled

    def ack(self) -> None:
        """See `Delivery`."""
        self._ack(self._delivery)

    def reject(self) -> None:
        """See `Delivery`."""
        self._delivery.reject()

    def give_back(self) -> None:
        """See `Delivery`."""
        self._delivery.give_back()


class WatchedTransport:
    """See `Transport`."""

    def __init__(
        self,
        transport: Losable,
        service: str,
        *,
        journal: Journal,
        faults: Faults,
        watcher: Watcher,
    ) -> None:
        self.service = service
        self.publishing = 0
        """How many publishes wait for their fate."""
        self._transport = transport
        self._journal = journal
        self._faults = faults
        self._watcher = watcher

    @property
    def description(self) -> str:
        """See `Transport`."""
        return self._transport.description

    @property
    def connections(self) -> tuple[ConnectionCondition, ...]:
        """See `Transport`."""
        return self._transport.connections

    @property
    def clock(self) -> Clock:
        """See `Transport`."""
        return self._transport.clock

    async def open(self, topology: Topology) -> None:
        """See `Transport`."""
        await self._transport.open(topology)

    async def publish(self, publication: Publication, *, timeout: timedelta) -> None:
        """See `Transport`."""
        fate: Fate = "unknown"
        self.publishing += 1
        try:
            self._fail_if_ordered(publication)
            await self._transport.publish(publication, timeout=timeout)
            fate = "confirmed"
            self._watcher.confirmed(publication)
        except UnroutableError:
            fate = "returned"
            raise
        except (RefusedError, MessageTooLargeError):
            fate = "refused"
            raise
        finally:
            self.publishing -= 1
            if publication.exchange in _BUSES:  # anything else is a copy of the engine's
                self._note(publication, fate)

    async def subscribe(
        self, queue: str, *, prefetch: int, deliver: Callable[[Delivery], None]
    ) -> Subscriber:
        """See `Transport`."""

        def hand_on(delivery: Delivery) -> None:
            deliver(self._watched(queue, delivery))

        return await self._transport.subscribe(queue, prefetch=prefetch, deliver=hand_on)

    async def count(self, queue: str) -> int:
        """See `Transport`."""
        return await self._transport.count(queue)

    async def take(self, queue: str) -> Delivery | None:
        """See `Transport`."""
        delivery = await self._transport.take(queue)
        return None if delivery is None else self._watched(queue, delivery)

    async def close(self, *, within: timedelta = timedelta(seconds=5)) -> None:
        """See `Transport`."""
        await self._transport.close(within=within)

    def lose_connection(self) -> None:
        """See `Losable`."""
        self._transport.lose_connection()

    def _watched(self, queue: str, delivery: Delivery) -> WatchedDelivery:
        def ack(delivery: Delivery) -> None:
            if self._faults.take("crash before ack", envelope=delivery.envelope):
                self._transport.lose_connection()
                self._journal.tell(delivery.envelope, f"{self.service} crashed before the ack")
                raise asyncio.CancelledError  # whoever was at it comes no further
            delivery.ack()
            if delivery.is_live:
                self._watcher.acked(queue, delivery.envelope)

        return WatchedDelivery(delivery, ack)

    def _fail_if_ordered(self, publication: Publication) -> None:
        if publication.exchange not in _BUSES:
            return
        envelope = publication.envelope
        match self._faults.take("refuse", "return", envelope=envelope):
            case "refuse":
                raise _failure(RefusedError, "the test had the broker answer no", publication)
            case "return":
                raise _failure(UnroutableError, "the test had no queue take it", publication)

    def _note(self, publication: Publication, fate: Fate) -> None:
        self._journal.published(
            publication.envelope,
            service=self.service,
            exchange=publication.exchange,
            routing_key=publication.routing_key,
            fate=fate,
        )


def _failure(kind: type[PublishError], why: str, publication: Publication) -> PublishError:
    return kind(
        why,
        exchange=publication.exchange,
        routing_key=publication.routing_key,
        message_id=publication.envelope.message_id,
    )
