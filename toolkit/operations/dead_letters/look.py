"""All dead letters of some queues, held for as long as the look takes.

Receives names of queues, hands the letters in them and what couldn't be seen.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.operations.dead_letters.letter import Letter
from toolkit.operations.dead_letters.queue import listed
from toolkit.operations.management import ManagementApi, NoManagementError
from toolkit.transport.rabbitmq.holding import Held, Holder


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, oldest first in each queue."""

    letters: tuple[Letter, ...]
    queues: tuple[str, ...]
    """That are there."""
    notes: tuple[str, ...]
    """What wasn't seen, a sentence each."""


async def look(
    holder: Holder, queues: Sequence[str], *, most: int, management: ManagementApi
) -> Look:
    """Holds them; they are given back when the holder's connection ends. Raises a `TransportError`
    for what may not be read.
    """
    found = await asyncio.gather(*(holder.hold(queue, most=most) for queue in queues))
    there = [held for held in found if held is not None]
    missing = [queue for queue, held in zip(queues, found, strict=True) if held is None]
    notes = [f"queue '{queue}' isn't there" for queue in missing]
    for held in there:
        notes += _unseen(held)
    notes += await _held_by_others(there, management)
    letters = [Letter.of(held.queue, one) for held in there for one in held.deliveries]
    return Look(tuple(letters), tuple(held.queue for held in there), tuple(notes))


def _unseen(held: Held) -> Iterator[str]:
    if held.left:
        yield (
            f"queue '{held.queue}' has {held.left:,} more, newer than these: not looked at; "
            "--most says how many are"
        )


async def _held_by_others(there: Sequence[Held], management: ManagementApi) -> list[str]:
    """Only where somebody else is registered is it worth a question. The API lags a few seconds, so
    what this look holds by itself may or may not be in its number.
    """
    busy = [held for held in there if held.consumers]
    if not busy:
        return []
    try:
        unacked = await listed(management)
    except NoManagementError:
        unacked = {}
    notes = []
    for held in busy:
        others = f"{held.consumers} other{'s' if held.consumers > 1 else ''}"
        by_count = unacked.get(held.queue, 0)
        number = f" (up to {by_count:,})" if by_count else ""
        notes.append(
            f"queue '{held.queue}' is being looked at by {others}: what they hold{number} isn't "
            "seen here, and is back when they are done"
        )
    return notes
