"""Exchanges and queues, as the methods of one channel declare, bind and delete them.

Receives methods from a channel, hands them to the broker as calls, and the answers back.
"""

import struct
from collections.abc import MutableMapping
from secrets import token_urlsafe
from typing import Any, cast, get_args

from pamqp.base import Frame
from pamqp.commands import Exchange, Queue

from toolkit.embedded.frame import Code, Fault, said
from toolkit.topology.declarations import ExchangeType
from toolkit.transport.memory.broker import MemoryBroker
from toolkit.transport.memory.queue import Queue as MemoryQueue
from toolkit.transport.memory.refusal import (
    NOT_FOUND,
    RESOURCE_LOCKED,
    Refusal,
    described,
    precondition_failed,
)
from toolkit.transport.memory.routing import Destination
from toolkit.transport.rabbitmq.frames import METHOD_ID, short

_COUNTS = struct.Struct(">II")

Owners = MutableMapping[MemoryQueue, object]
"""Exclusive queues, and the connection that each belongs to."""


class Declarations:
    """What one channel declares. `connection` owns what is exclusive."""

    def __init__(self, memory: MemoryBroker, owners: Owners, connection: object) -> None:
        self._memory = memory
        self._owners = owners
        self._connection = connection
        self._last = ""

    def answer(self, method: Frame) -> bytes:  # noqa: PLR0911 - one for each method
        """Does what a method says. Raises `Refusal`, or `Fault` for a method of another class."""
        memory = self._memory
        match method:
            case Exchange.Declare():
                self._declare_exchange(method)
                return said(Exchange.DeclareOk())
            case Exchange.Delete():
                self._delete_exchange(method)
                return said(Exchange.DeleteOk())
            case Exchange.Bind():
                memory.bind(*_exchange_binding(method))
                return said(Exchange.BindOk())
            case Exchange.Unbind():
                memory.unbind(*_exchange_binding(method))
                return said(Exchange.UnbindOk())
            case Queue.Declare():
                return self._declare_queue(method)
            case Queue.Bind():
                memory.bind(*self._queue_binding(method))
                return said(Queue.BindOk())
            case Queue.Unbind():
                memory.unbind(*self._queue_binding(method))
                return said(Queue.UnbindOk())
            case Queue.Purge():
                return said(Queue.PurgeOk(memory.purge(self.queue(method.queue))))
            case Queue.Delete():
                return said(Queue.DeleteOk(self._delete_queue(method)))
        raise Fault(Code.NOT_IMPLEMENTED, f"{method.name} is not there in the broker in memory")

    def queue(self, name: str) -> str:
        """A queue by its name, or the last that was declared. Raises `Refusal` where it is
        somebody else's.
        """
        if not name and not self._last:
            raise Refusal(NOT_FOUND, "no previously declared queue")
        name = name or self._last
        found = self._memory.queues.get(name)
        if found is not None and self._owners.get(found, self._connection) is not self._connection:
            raise _locked(name)
        return name

    def _declare_exchange(self, method: Exchange.Declare) -> None:
        if method.passive:
            self._memory.exchange(method.exchange)
            return
        if method.exchange_type not in get_args(ExchangeType):
            raise Fault(Code.COMMAND_INVALID, f"unknown exchange type '{method.exchange_type}'")
        self._memory.declare_exchange(
            method.exchange,
            cast("ExchangeType", method.exchange_type),
            is_durable=method.durable,
            is_auto_delete=method.auto_delete,
            is_internal=method.internal,
            arguments=method.arguments,
        )

    def _delete_exchange(self, method: Exchange.Delete) -> None:
        found = self._memory.exchanges.get(method.exchange)
        if method.if_unused and found is not None and len(found.bindings):
            precondition_failed(f"{described('exchange', method.exchange)} in use")
        self._memory.delete_exchange(method.exchange)

    def _declare_queue(self, method: Queue.Declare) -> bytes:
        memory, name = self._memory, method.queue
        if method.passive:
            name = self.queue(name)
        else:
            name = name or f"gen-{token_urlsafe(16)}"
            self._make(name, method)
        queue = memory.queue(name)
        self._last = name
        counts = _COUNTS.pack(queue.ready, len(queue.consumers))
        return METHOD_ID.pack(Queue.DeclareOk.index) + short(name) + counts

    def _make(self, name: str, method: Queue.Declare) -> None:
        arguments: dict[str, Any] = method.arguments or {}
        found = self._memory.queues.get(name)
        if found is not None:
            owner = self._owners.get(found)
            if owner is not (self._connection if method.exclusive else None):
                raise _locked(name)
        elif method.exclusive and arguments.get("x-queue-type", "classic") != "classic":
            precondition_failed(
                f"invalid property 'exclusive-owner' for {described('queue', name)}"
            )
        self._memory.declare_queue(
            name,
            arguments=arguments,
            # As on RabbitMQ, where a queue is as short-lived as its one connection either way.
            is_durable=method.durable or method.exclusive,
            is_auto_delete=method.auto_delete,
        )
        if method.exclusive:
            self._owners[self._memory.queue(name)] = self._connection

    def _delete_queue(self, method: Queue.Delete) -> int:
        name = self.queue(method.queue)
        found = self._memory.queues.get(name)
        if found is not None and method.if_unused and found.consumers:
            precondition_failed(f"{described('queue', name)} in use")
        if found is not None and method.if_empty and found.ready:
            precondition_failed(f"{described('queue', name)} is not empty")
        return self._memory.delete_queue(name)

    def _queue_binding(
        self, method: Queue.Bind | Queue.Unbind
    ) -> tuple[str, Destination, str, dict[str, Any]]:
        name = self.queue(method.queue)
        key = method.routing_key or ("" if method.queue else name)
        return method.exchange, Destination("queue", name), key, dict(method.arguments or {})


def delete_exclusive(memory: MemoryBroker, owners: Owners, connection: object) -> None:
    """The connection has gone, and its exclusive queues go with it."""
    for queue, owner in list(owners.items()):
        if owner is connection:
            memory.delete_queue(queue.name)


def _exchange_binding(
    method: Exchange.Bind | Exchange.Unbind,
) -> tuple[str, Destination, str, dict[str, Any]]:
    to = Destination("exchange", method.destination)
    return method.source, to, method.routing_key, dict(method.arguments or {})


def _locked(name: str) -> Refusal:
    return Refusal(
        RESOURCE_LOCKED,
        f"cannot obtain exclusive access to locked {described('queue', name)}. It could be "
        "originally declared on another connection or the exclusive property value does not "
        "match that of the original declaration.",
    )
