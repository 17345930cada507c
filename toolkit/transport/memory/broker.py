"""The broker: a virtual host that takes publishes, and what a test may see and order.

Receives publishes from clients, hands messages to queues. Everything happens in the call itself,
so between two calls the broker is at rest but for what is due later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from toolkit.messages.envelope import Envelope
from toolkit.topology.declarations import Version
from toolkit.transport.clock import Clock
from toolkit.transport.memory.fault import Faults, Matches, anything
from toolkit.transport.memory.message import Payload, travelled
from toolkit.transport.memory.observation import (
    Delivered,
    Observation,
    Published,
    Refused,
    Returned,
    Settled,
)
from toolkit.transport.memory.queue import Queue
from toolkit.transport.memory.refusal import (
    ACCESS_REFUSED,
    Refusal,
    described,
    precondition_failed,
)
from toolkit.transport.memory.routing import BoundExchange
from toolkit.transport.memory.virtual_host import VirtualHost

MIB = 1024 * 1024
USER = "guest"
"""Whom every connection belongs to."""


class Fate(Enum):
    """How a publish ended."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class Client(Protocol):
    """A service's connection, as faults need it."""

    service: str

    @property
    def is_mending(self) -> bool:
        """Whether it is about to connect or to register without any time having to pass."""
        ...

    @property
    def next_due(self) -> datetime | None:
        """When it does something by itself; None if never."""
        ...

    def cut(self, down_for: timedelta | None) -> int:
        """Loses the connection. How many messages it held."""
        ...


class MemoryBroker(VirtualHost):
    """A broker that behaves as RabbitMQ of one version does.

    Services share it by sharing the object. It belongs to one event loop and isn't thread-safe.
    """

    def __init__(self, *, version: Version = (4, 0), clock: Clock | None = None) -> None:
        super().__init__(version=version, clock=clock)
        self.clients: list[Client] = []
        self.faults = Faults()

    def publish(
        self,
        envelope: Envelope,
        exchange: str,
        routing_key: str,
        *,
        publisher: object,
        service: str = "",
    ) -> Fate:
        """A mandatory publish, and what the broker says to it.

        Raises `Refusal` where RabbitMQ closes the channel: no such exchange, a body that is too
        large, somebody else's user id, an expiration that is no number; `NotEncodableError` for
        what no wire could carry.
        """
        found = self.exchange(exchange)
        self._check(envelope, found)
        payload = self._payload(envelope, exchange, routing_key)
        fault = self.faults.for_publish(service, payload) if self.faults.is_ordered else None
        if fault == "refuse":
            return self._told(Fate.REFUSED, payload, service, ())
        queues = () if fault == "return" else self.reached(payload)
        if not queues:
            return self._told(Fate.RETURNED, payload, service, ())
        if self.listeners:
            self._told(Fate.CONFIRMED, payload, service, queues)
        is_taken = True
        for queue in queues:
            if not queue.publish(payload, publisher):
                is_taken = False
        if fault == "lose confirm":
            return Fate.UNKNOWN
        return Fate.CONFIRMED if is_taken else self._told(Fate.REFUSED, payload, service, queues)

    def _payload(self, envelope: Envelope, exchange: str, routing_key: str) -> Payload:
        copy = travelled(envelope)
        headers = copy.headers
        if "CC" not in headers and "BCC" not in headers:
            return Payload(copy, exchange, (routing_key,))
        hidden = _keys(headers.pop("BCC", []), "BCC")
        keys = (routing_key, *_keys(headers.get("CC", []), "CC"), *hidden)
        return Payload(copy, exchange, keys, hidden_keys=len(hidden))

    def _check(self, envelope: Envelope, exchange: BoundExchange) -> None:
        size, most = len(envelope.body), self.largest_body
        if size > most:
            precondition_failed(f"message size {size} is larger than configured max size {most}")
        if exchange.is_internal:
            raise Refusal(
                ACCESS_REFUSED, f"cannot publish to internal {described('exchange', exchange.name)}"
            )
        if envelope.user_id is not None and envelope.user_id != USER:
            precondition_failed(
                f"user_id property set to '{envelope.user_id}' but authenticated user was '{USER}'"
            )

    @property
    def largest_body(self) -> int:
        """Bytes: 16 MiB from RabbitMQ 4.0 on, 128 MiB before (release notes of 4.0)."""
        return 16 * MIB if self.version >= (4, 0) else 128 * MIB

    # -------------------------------------------------------------------------- observation

    @property
    def unacked(self) -> int:
        """Messages that are in somebody's hands."""
        return sum(queue.unacked for queue in self.queues.values())

    @property
    def next_due(self) -> datetime | None:
        """When the broker does something by itself next; None if never."""
        dues = [queue.next_due for queue in self.queues.values()]
        dues += [client.next_due for client in self.clients]
        return min((due for due in dues if due is not None), default=None)

    @property
    def is_moving(self) -> bool:
        """Whether it is about to hand out a message, or to take a client back, without any time
        having to pass.
        """
        return any(queue.is_deliverable for queue in self.queues.values()) or any(
            client.is_mending for client in self.clients
        )

    def is_at_rest(self, before: datetime | None = None) -> bool:
        """Whether nothing is under way: nothing in somebody's hands, nothing ready for somebody
        with room for it, no connection about to come back, and nothing due up to `before`.
        """
        if self.unacked or self.is_moving:
            return False
        due = self.next_due
        return before is None or due is None or due > before

    # -------------------------------------------------------------------------- faults

    def refuse_publish(self, matches: Matches = anything, *, times: int = 1) -> None:
        """Answers no to the next publish that matches."""
        self.faults.order("refuse", matches, times)

    def return_publish(self, matches: Matches = anything, *, times: int = 1) -> None:
        """Finds no queue for the next publish that matches."""
        self.faults.order("return", matches, times)

    def lose_confirm(self, matches: Matches = anything, *, times: int = 1) -> None:
        """Takes the next publish that matches, and loses the connection before it says so."""
        self.faults.order("lose confirm", matches, times)

    def lose_ack(self, queue: str, *, times: int = 1) -> None:
        """Loses a connection with the next ack of a message of this queue, which so goes back."""
        self.faults.order_lost_ack(queue, times)

    def drop_connection(self, service: str, *, down_for: timedelta | None = None) -> int:
        """Cuts a service off; what it held goes back, counted. How many messages that were.

        It connects again on the next turn of the event loop, or after `down_for`.
        """
        return sum(
            client.cut(down_for) for client in list(self.clients) if client.service == service
        )

    def redeliver(self, event: Delivered | Settled) -> None:
        """Delivers a message once more, as if its ack had never arrived."""
        self.queue(event.queue).deliver_again(event.message)

    def _told(self, fate: Fate, payload: Payload, service: str, queues: Sequence[Queue]) -> Fate:
        if not self.listeners:
            return fate
        event: Observation
        exchange, key, at = payload.exchange, payload.routing_keys[0], self.clock.now()
        if fate is Fate.CONFIRMED:
            event = Published(
                at=at,
                envelope=payload.envelope,
                service=service,
                exchange=exchange,
                routing_key=key,
                queues=tuple(queue.name for queue in queues),
            )
        else:
            kind = Returned if fate is Fate.RETURNED else Refused
            event = kind(
                at=at,
                envelope=payload.envelope,
                service=service,
                exchange=exchange,
                routing_key=key,
            )
        for listener in self.listeners:
            listener(event)
        return fate


def _keys(value: Any, header: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        precondition_failed(f"invalid message: {{unacceptable_type_in_header,{header}}}")
    return tuple(key for key in value if isinstance(key, str))
