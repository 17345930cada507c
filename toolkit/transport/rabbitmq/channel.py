"""Channels whose calls end: answered, refused, or given up after a while.

Receives a connection, hands channels to declaring, publishing and consuming. A call is never
cancelled in the middle, because that closes the channel under everybody else; it is left to
itself, on a channel that is thrown away. The channels are aiormq's, opened without aio-pika's
around them: of each of those, something stays with the connection until that closes.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.channel import Channel as WireChannel

from toolkit.errors import ConnectionLostError
from toolkit.transport.rabbitmq.translate import LOST, call_error, was_cancelled

R = TypeVar("R")

ANSWER_TIMEOUT = 15.0
"""Seconds to wait for the broker's answer to one call."""
_CLOSE_TIMEOUT = 1.0  # closing is a courtesy: the connection's end says the same


async def answered(call: Coroutine[Any, Any, R], what: str, *, within: float = ANSWER_TIMEOUT) -> R:
    """The broker's answer. Raises a `TransportError` that says what was being done."""
    task = asyncio.ensure_future(call)
    task.add_done_callback(_retrieve)
    done, _ = await asyncio.wait({task}, timeout=within)
    if not done:
        raise ConnectionLostError(f"the broker gave no answer to {what} in {within:g}s")
    if task.cancelled():
        raise ConnectionLostError(f"the connection was lost during {what}")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, LOST):
        raise call_error(error, what) from error
    raise error


def _retrieve(task: "asyncio.Future[Any]") -> None:
    """A call nobody waits for any more must not be reported as never retrieved."""
    if not task.cancelled():
        task.exception()


class OpenChannel:
    """A channel, and an event that is set once it is gone."""

    def __init__(self, wire: WireChannel) -> None:
        self.wire = wire
        self.gone = asyncio.Event()
        self.reason: BaseException | None = None
        wire.closing.add_done_callback(self._on_close)

    @property
    def is_open(self) -> bool:
        """Whether calls on it can reach the broker."""
        return not self.gone.is_set() and not self.wire.is_closed

    def _on_close(self, closing: "asyncio.Future[Any]") -> None:
        self.reason = None if closing.cancelled() else closing.exception()
        self.gone.set()

    async def close(self) -> None:
        """Tells the broker, unless it is gone; everything sent before has then been handled."""
        if self.is_open:
            try:
                await answered(self.wire.close(), "closing a channel", within=_CLOSE_TIMEOUT)
            except ConnectionLostError:
                pass  # gone is what was wanted
        self.gone.set()


async def open_channel(connection: AbstractConnection) -> OpenChannel:
    """A new channel with confirms, on which an unroutable publish raises."""
    try:
        wire = await answered(_opened(connection), "opening a channel")
        assert isinstance(wire, WireChannel)
    except asyncio.CancelledError:
        if was_cancelled():
            raise
        raise ConnectionLostError("the connection was lost while a channel was opened") from None
    except LOST as error:
        raise call_error(error, "opening a channel") from error
    return OpenChannel(wire)


async def _opened(connection: AbstractConnection) -> AbstractChannel:
    if connection.transport is None:
        raise ConnectionLostError("the connection was lost before a channel was opened")
    return await connection.transport.connection.channel(
        publisher_confirms=True, on_return_raises=True
    )
