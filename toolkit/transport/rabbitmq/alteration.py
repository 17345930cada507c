"""What no service ever does to a broker: queues replaced, bindings moved, things deleted.

Receives an address, carries out what commands decide. Each call has a channel of its own, because
what the broker refuses costs the channel. Where there must be no gap between two changes, they go
out in one breath, without waiting for an answer in between.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from aiormq import exceptions as foreign
from aiormq.channel import Channel as WireChannel
from pamqp import commands as spec
from pamqp.base import Frame

from toolkit.errors import AccessRefusedError, TransportError
from toolkit.topology.declarations import Exchange, Queue
from toolkit.topology.live import Bound
from toolkit.transport.rabbitmq.channel import answered, open_channel
from toolkit.transport.rabbitmq.connection import Link, OneConnection
from toolkit.transport.rabbitmq.inspector import Inspector
from toolkit.transport.rabbitmq.mover import Move, Moved
from toolkit.transport.rabbitmq.options import RabbitOptions

_GOODBYE = 1.0  # seconds


class OccupiedError(TransportError):
    """Somebody else is at it."""

    exit_code = 69


class Alteration:
    """One connection, for as long as the work takes; it is not mended."""

    def __init__(self, link: Link, connection: OneConnection) -> None:
        self._connection = connection
        self.inspector = Inspector(link, connection)

    @classmethod
    @asynccontextmanager
    async def connected(cls, options: RabbitOptions) -> AsyncIterator[Self]:
        """One try at each node. Raises `BrokerUnreachableError`, `AccessRefusedError` or
        `TlsError`.
        """
        link = Link(options, "consume")
        try:
            yield cls(link, await link.open_once())
        finally:
            await link.close(_GOODBYE)

    @asynccontextmanager
    async def occupied(self, name: str) -> AsyncIterator[None]:
        """Keeps others out meanwhile, by an exclusive queue of that name: it goes with this
        connection, however that ends. Raises `OccupiedError`.
        """
        try:
            await self._say([spec.Queue.Declare(queue=name, exclusive=True)], "beginning")
        except TransportError as error:
            if isinstance(error.__cause__, foreign.ChannelLockedResource):
                raise OccupiedError(
                    f"somebody else is at it: '{name}' is held by another connection"
                ) from error
            raise
        try:
            yield
        finally:
            with suppress(TransportError):  # then it has gone with the connection
                await self._say([spec.Queue.Delete(queue=name)], "ending")

    async def declare_exchange(self, exchange: Exchange) -> None:
        """Makes an exchange. Raises `TransportError`."""
        frame = spec.Exchange.Declare(
            exchange=exchange.name,
            exchange_type=exchange.type,
            durable=True,
            arguments=exchange.arguments,
        )
        await self._say([frame], f"making exchange '{exchange.name}'")

    async def declare_queue(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Makes a durable queue, or makes sure that it has these arguments."""
        await self._say([_declaring(name, arguments)], f"making queue '{name}'")

    async def declare(self, queue: Queue) -> None:
        """The same for a declared one."""
        await self.declare_queue(queue.name, queue.arguments(self.inspector.facts.version))

    async def bind(self, queue: str, bounds: Iterable[Bound]) -> None:
        """Binds a queue; what is bound already stays so."""
        for bound in bounds:
            await self._say([_bind(queue, bound)], f"binding queue '{queue}' to {bound}")

    async def unbind(self, queue: str, bounds: Iterable[Bound]) -> None:
        """Takes bindings away; what isn't there is no error."""
        for bound in bounds:
            await self._say([_unbind(queue, bound)], f"unbinding queue '{queue}' from {bound}")

    async def switch(self, bounds: Sequence[Bound], *, to: str, away_from: str) -> None:
        """Each binding from one queue to another, in one breath: for a moment both get what comes
        with it, and at no time none does.
        """
        if bounds:
            what = f"binding '{to}' in place of '{away_from}'"
            await self._say(_switching(bounds, to, away_from), what)

    async def replace(
        self, name: str, arguments: Mapping[str, Any], bounds: Sequence[Bound], *, away_from: str
    ) -> None:
        """Deletes a queue, makes it again with other arguments, and switches bindings to it, in
        one breath: before anybody hears that it is gone, it is there again.
        """
        frames = [
            spec.Queue.Delete(queue=name, nowait=True),
            _declaring(name, arguments, nowait=True),
            *_switching(bounds, name, away_from),
            _look(name),
        ]
        await self._say(frames, f"replacing queue '{name}'")

    async def delete_queue(self, name: str, *, has_guards: bool) -> int:
        """Returns how many messages went with it. With `has_guards` only if nothing is in it and
        nobody consumes it, which the broker takes for classic queues only: for any other kind it
        closes the connection.
        """
        frame = spec.Queue.Delete(queue=name, if_empty=has_guards, if_unused=has_guards)
        answer = await self._say([frame], f"deleting queue '{name}'")
        return int(answer.message_count or 0)

    async def delete_exchange(self, name: str) -> None:
        """Deletes an exchange from which nothing is bound."""
        frame = spec.Exchange.Delete(exchange=name, if_unused=True)
        await self._say([frame], f"deleting exchange '{name}'")

    async def move(self, queue: str, fanout: str, on_confirmed: Callable[[Moved], None]) -> Moved:
        """See `Move.until_empty`."""
        return await Move(self._connection, queue, fanout, on_confirmed).until_empty()

    async def _say(self, frames: Sequence[Frame], what: str) -> Any:
        """The answer to the last frame."""
        channel = await open_channel(self._connection)
        try:
            return await answered(_said(channel.wire, frames), what)
        except AccessRefusedError as error:
            raise AccessRefusedError(
                f"{error}; `toolkit topology permissions` has lines"
            ) from error
        finally:
            await channel.close()


async def _said(wire: WireChannel, frames: Sequence[Frame]) -> Any:
    answer = None
    for frame in frames:
        answer = await wire.rpc(frame)
    return answer


def _declaring(name: str, arguments: Mapping[str, Any], *, nowait: bool = False) -> Frame:
    return spec.Queue.Declare(queue=name, durable=True, arguments=dict(arguments), nowait=nowait)


def _look(queue: str) -> Frame:
    return spec.Queue.Declare(queue=queue, passive=True)


def _switching(bounds: Iterable[Bound], to: str, away_from: str) -> list[Frame]:
    """Only the second of each pair is waited for: AMQP has no unbinding without an answer."""
    pairs = ((_bind(to, bound, nowait=True), _unbind(away_from, bound)) for bound in bounds)
    return [frame for pair in pairs for frame in pair]


def _bind(queue: str, bound: Bound, *, nowait: bool = False) -> Frame:
    return spec.Queue.Bind(
        queue=queue,
        exchange=bound.exchange,
        routing_key=bound.routing_key,
        arguments=dict(bound.arguments),
        nowait=nowait,
    )


def _unbind(queue: str, bound: Bound) -> Frame:
    return spec.Queue.Unbind(
        queue=queue,
        exchange=bound.exchange,
        routing_key=bound.routing_key,
        arguments=dict(bound.arguments),
    )
