"""Looks at a broker without touching it.

Receives an address, hands commands what the broker says of itself, how its queues stand, what
differs from a topology, and what the user is allowed.

Nothing is created, bound, published, taken or deleted. Most questions cost their channel, so each
has a channel of its own. Whether something differs is asked by declaring what exists, as a service
with TOOLKIT_TOPOLOGY=check does, which changes nothing. Whether something is allowed is asked by
what the broker refuses in any case, but only after it has looked at the permission: see
`_question`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from aiormq import exceptions as foreign
from aiormq.channel import Channel as WireChannel
from pamqp import commands as spec
from pamqp.base import Frame
from pamqp.common import FieldTable

from toolkit.errors import TransportError
from toolkit.topology.declarations import Exchange, Queue, Topology, Version
from toolkit.topology.drift import Findings
from toolkit.topology.permission import Need
from toolkit.transport.rabbitmq.channel import answered, open_channel
from toolkit.transport.rabbitmq.connection import Link, OneConnection
from toolkit.transport.rabbitmq.declare import Declarer
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.translate import MissingError

_AT_ONCE = 8  # channels; enough for a broker that is far away, and no burden to one that is near
_GOODBYE = 1.0  # seconds

_DENIED = re.compile(r"access to (?!topic).* refused for user")
_PLAINLY_MISSING = re.compile(r"no (queue|exchange) '")
_UNFIT_FOR_QUEUE: FieldTable = {"x-dead-letter-exchange": 0}
_UNFIT_FOR_EXCHANGE: FieldTable = {"alternate-exchange": 0}
_UNFIT_FOR_CONSUMER: FieldTable = {"x-priority": "none"}


@dataclass(frozen=True, slots=True)
class QueueState:
    """How a queue stands: messages that are ready, consumers that are registered."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What a broker says of itself. Sizes in bytes, the heartbeat in seconds."""

    address: str
    product: str
    platform: str
    version: Version
    heartbeat: float
    frame_max: int
    channel_max: int

    @property
    def is_rabbitmq(self) -> bool:
        """Whether it says so, and runs where RabbitMQ does: others go by its name to be let in."""
        return self.product.startswith("RabbitMQ ") and self.platform.startswith("Erlang")


class Inspector:
    """One connection, for as long as a look takes; it is not mended."""

    def __init__(self, link: Link, connection: OneConnection) -> None:
        self._connection = connection
        self._few = asyncio.Semaphore(_AT_ONCE)
        self.user = connection.url.user or "guest"
        self.virtual_host = connection.url.path[1:].replace("%2F", "/") or "/"
        assert connection.transport is not None
        opened = connection.transport.connection
        tune = opened.connection_tune
        self.facts = BrokerFacts(
            address=link.address,
            product=link.product,
            platform=str((opened.server_properties or {}).get("platform", "a platform unknown")),
            version=link.version,
            heartbeat=connection.heartbeat,
            frame_max=tune.frame_max,
            channel_max=tune.channel_max,
        )

    @classmethod
    @asynccontextmanager
    async def connected(cls, options: RabbitOptions) -> AsyncIterator[Self]:
        """One try at each node. Raises `BrokerUnreachableError`, `AccessRefusedError` or
        `TlsError`.
        """
        link = Link(options, "publish")
        try:
            yield cls(link, await link.open_once())
        finally:
            await link.close(_GOODBYE)

    async def queue(self, name: str) -> QueueState | None:
        """How it stands, or None if it isn't there. Raises `TransportError` if it can't be told."""
        try:
            async with self._channel() as wire:
                call = wire.queue_declare(name, passive=True)
                answer = await answered(call, f"looking at queue '{name}'")
        except MissingError as error:
            require_absence(error)
            return None
        return QueueState(int(answer.message_count or 0), int(answer.consumer_count or 0))

    async def has_exchange(self, name: str) -> bool:
        """Whether it is there."""
        try:
            async with self._channel() as wire:
                call = wire.exchange_declare(name, passive=True)
                await answered(call, f"looking at exchange '{name}'")
        except MissingError as error:
            require_absence(error)
            return False
        return True

    async def compare(self, part: Exchange | Queue) -> Findings:
        """What is otherwise on the broker, if it is there. What the user may not configure isn't
        compared: that is a refusal.
        """
        async with self._few:
            declarer = Declarer(self._connection, self.facts.version)
            return await declarer.compare(Topology.of([part]))

    async def allows(self, need: Need, *, writable: Need | None = None) -> bool | None:
        """Whether the user has a permission; the thing needn't exist.

        `read` on an exchange can only be asked with something that the user may write to; None
        without that.
        """
        question = _question(need, writable)
        if question is None:
            return None
        try:
            async with self._channel() as wire:
                await answered(_asked(wire, question), f"asking for {need}")
        except TransportError as error:
            cause = error.__cause__
            if isinstance(cause, foreign.ChannelAccessRefused) and _DENIED.search(str(cause)):
                return False
            if not isinstance(cause, foreign.ChannelClosed):
                raise
        return True

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[WireChannel]:
        async with self._few:
            channel = await open_channel(self._connection)
            try:
                yield channel.wire
            finally:
                await channel.close()


def require_absence(error: MissingError) -> None:
    """Raises if it is there and just out of reach: its node is down, its process has stopped."""
    if not _PLAINLY_MISSING.search(str(error)):
        raise TransportError(str(error)) from error


async def _asked(wire: WireChannel, question: Frame) -> None:
    await wire.rpc(question)


def _question(need: Need, writable: Need | None) -> Frame | None:
    """What the broker refuses for another reason once the permission is there.

    A declaration or a consumer with an argument of the wrong type; taking a queue off the default
    exchange; taking away a binding that can't exist.
    """
    never_bound = uuid4().hex
    match need:
        case Need("configure", "queue", name):
            return spec.Queue.Declare(queue=name, durable=True, arguments=_UNFIT_FOR_QUEUE)
        case Need("configure", "exchange", name):
            return spec.Exchange.Declare(
                exchange=name, exchange_type="topic", durable=True, arguments=_UNFIT_FOR_EXCHANGE
            )
        case Need("write", kind, name):
            return _unbind(kind, name, "", never_bound)
        case Need("read", "queue", name):
            return spec.Basic.Consume(
                queue=name, consumer_tag=never_bound, arguments=_UNFIT_FOR_CONSUMER
            )
        case Need("read", "exchange", name) if writable is not None:
            return _unbind(writable.kind, writable.name, name, never_bound)
        case _:
            return None


def _unbind(kind: str, destination: str, source: str, routing_key: str) -> Frame:
    arguments: dict[str, Any] = {"routing_key": routing_key, "arguments": {}}
    if kind == "queue":
        return spec.Queue.Unbind(queue=destination, exchange=source, **arguments)
    return spec.Exchange.Unbind(destination=destination, source=source, **arguments)
