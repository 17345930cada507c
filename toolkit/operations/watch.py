"""Messages, watched as they go by.

Receives an address, patterns and a sieve, hands on each message that is wanted.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from toolkit.messages.envelope import Envelope
from toolkit.operations.address import Address
from toolkit.operations.record import Sighting
from toolkit.operations.sieve import Sieve
from toolkit.topology import naming
from toolkit.transport.memory.routing import topic_matches
from toolkit.transport.rabbitmq.options import RabbitOptions
from toolkit.transport.rabbitmq.tap import TapBinding, tap

WATCHER = "toolkit-tap"
"""The connection's name."""


def bindings_for(pattern: str, commands: Sequence[str] | None) -> list[TapBinding]:
    """The events that match, and of these commands those that do: their exchange knows no
    patterns.
    """
    if commands is None:
        return [TapBinding(naming.EVENTS, pattern)]
    return [TapBinding(naming.COMMANDS, name) for name in commands if topic_matches(pattern, name)]


async def watch(
    address: Address,
    bindings: Sequence[TapBinding],
    sieve: Sieve,
    see: Callable[[Sighting], None],
    told: Callable[[str], None],
    *,
    limit: int | None = None,
    lasting: timedelta | None = None,
) -> int:
    """Returns how many were seen, after that many or that long; otherwise until cancelled.

    Raises the errors of `tap`, and whatever `see` raises.
    """
    settings = address.settings()
    options = RabbitOptions(
        urls=settings.urls,
        service=WATCHER,
        tls=settings.tls,
        heartbeat=settings.heartbeat,
        connect_timeout=settings.connect_timeout,
        lane="plain",
    )
    seen = 0
    enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def deliver(exchange: str, routing_key: str, envelope: Envelope) -> None:
        nonlocal seen
        if enough.done() or not sieve.lets_through(envelope):
            return
        try:
            see(Sighting(exchange, routing_key, envelope, datetime.now(UTC)))
        except Exception as error:  # noqa: BLE001 - raised by `watch`: the library would swallow it
            enough.set_exception(error)
            return
        seen += 1
        if seen == limit:
            enough.set_result(None)

    with address.blamed():
        tapping = asyncio.ensure_future(tap(options, bindings, deliver, told))
        try:
            wait = None if lasting is None else lasting.total_seconds()
            await asyncio.wait({tapping, enough}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for done in (tapping, enough):
                if done.done():
                    done.result()
        finally:
            tapping.cancel()
            await asyncio.wait({tapping})
    return seen
