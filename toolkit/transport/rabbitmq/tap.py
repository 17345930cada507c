"""A look at what exchanges carry, from a queue of its own that is gone with the connection.

Receives the bindings that are wanted, hands over each message as it goes by. Nothing of anybody
else is declared, changed or taken: the queue is exclusive, bounded, and drops its oldest message
when its reader can't keep up, so that a slow one never fills the broker.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from toolkit.errors import BrokerUnreachableError, ConnectionLostError, TransportError
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.channel import OpenChannel, answered, open_channel
from toolkit.transport.rabbitmq.connection import Link
from toolkit.transport.rabbitmq.guard import unwrapped
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.settle import first_of
from toolkit.transport.rabbitmq.translate import MissingError, envelope_from

MOST_WAITING = 10_000
"""Messages that wait for a tap's reader; the oldest is dropped for a further one."""

_BOUNDS: FieldTable = {"x-max-length": MOST_WAITING, "x-overflow": "drop-head"}
_GOODBYE = 1.0  # seconds
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class TapBinding:
    """What is wanted of one exchange."""

    exchange: str
    pattern: str


Deliver = Callable[[str, str, Envelope], None]
"""Takes the exchange, the routing key and the message. While it works nothing further is read."""


async def tap(
    options: RabbitOptions,
    bindings: Sequence[TapBinding],
    deliver: Deliver,
    told: Callable[[str], None],
) -> None:
    """Until it is cancelled; a lost connection is told of, and made anew.

    Raises `BrokerUnreachableError`, `AccessRefusedError` or `TlsError` if the first connection
    comes to nothing, and `TransportError` for an exchange that isn't there or may not be read. Once
    it has begun, it tries again whatever happens: a broker that comes back may be an empty one.
    """
    link = Link(options, "consume")
    try:
        await _first_connection(link, options)
        has_begun, failures, problem = False, 0, ""
        while True:
            try:
                channel, cancelled = await _tapped(link, bindings, deliver)
                told(f"connected to {link.address}")
                has_begun, failures, problem = True, 0, ""
                await first_of(channel.gone, cancelled)
                await channel.close()
                told("the connection is lost, and what goes by meanwhile is missed; trying again")
            except ConnectionLostError:
                pass  # what was said of it holds
            except TransportError as error:
                if not has_begun:
                    raise
                if str(error) != problem:
                    problem = str(error)
                    told(f"{problem}; trying again")
            failures += 1
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.2 * 2 ** min(failures, 8))))
    finally:
        await link.close(_GOODBYE)


async def _first_connection(link: Link, options: RabbitOptions) -> None:
    limit = options.connect_timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            await link.open()
    except TimeoutError as error:
        problem = link.last_problem or f"{link.address} does not answer"
        raise BrokerUnreachableError(f"no broker within {limit:g}s; {problem}") from error


async def _tapped(
    link: Link, bindings: Sequence[TapBinding], deliver: Deliver
) -> tuple[OpenChannel, asyncio.Event]:
    """The channel, and an event for the broker's taking the queue away."""
    channel = await open_channel(await link.ready())
    wire, cancelled = channel.wire, asyncio.Event()
    wire.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
    for exchange in {binding.exchange for binding in bindings}:
        await _look_up(channel, exchange)
    made = await answered(
        wire.queue_declare("", exclusive=True, auto_delete=True, arguments=_BOUNDS),
        "making a queue for the tap",
    )
    queue = str(made.queue)
    for binding in bindings:
        await answered(
            wire.queue_bind(queue, binding.exchange, routing_key=binding.pattern),
            f"tapping exchange '{binding.exchange}'",
        )

    async def on_message(message: DeliveredMessage) -> None:
        method: Any = message.delivery
        assert isinstance(method, Basic.Deliver)
        envelope = envelope_from(unwrapped(message.header.properties), message.body)
        deliver(method.exchange or "", method.routing_key or "", envelope)

    await answered(wire.basic_consume(queue, on_message, no_ack=True), "tapping")
    return channel, cancelled


async def _look_up(channel: OpenChannel, exchange: str) -> None:
    """Before there is a queue: that would stay until the connection goes."""
    try:
        await answered(
            channel.wire.exchange_declare(exchange, passive=True), f"tapping exchange '{exchange}'"
        )
    except MissingError as error:
        raise TransportError(
            f"there is no exchange '{exchange}' on this broker yet: the first service that "
            "publishes or consumes makes it"
        ) from error
