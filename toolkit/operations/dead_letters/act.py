"""One act on dead letters, from the line in the audit log to the other.

Receives letters that are held and what makes their copies, hands what came of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from toolkit.operations.audit import Audit
from toolkit.operations.dead_letters.journal import Journal
from toolkit.operations.dead_letters.letter import Letter
from toolkit.operations.dead_letters.look import Look
from toolkit.operations.dead_letters.move import Copy, Moved, move
from toolkit.topology.declarations import UNLIMITED, Queue
from toolkit.transport.rabbitmq.holding import Holder

_ARCHIVED_FOR = timedelta(days=14)
_MOST_ARCHIVED = 100_000
_MOST_IDS = 1_000  # named in the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done, and where it is written down."""

    name: str
    what: Mapping[str, Any]
    """What was asked for, as the log has it."""
    audit: Path
    journals: Path
    rate: float | None = None
    """Letters a second; None for as fast as it goes."""
    timeout: timedelta = timedelta(seconds=30)


async def carry_out(
    act: Act,
    letters: Sequence[Letter],
    copy: Copy,
    holder: Holder,
    *,
    seen: Look,
    moved: Moved,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """All letters, of those that were seen. `moved` says how far it came, also when this raises.

    Raises `AuditError` or `JournalError` before anything is changed, and whatever cuts it off:
    the same act again then goes on where this one stopped.
    """
    await holder.open_publisher()
    with Journal.open(act.journals, act.name, holder.address) as journal:
        audit = Audit.begin(act.audit, act.name, {**act.what, **_named(letters, holder)})
        try:
            await holder.stop_receiving()
            await move(
                letters,
                copy,
                holder,
                journal,
                rate=act.rate,
                timeout=act.timeout,
                moved=moved,
                progress=progress,
            )
            await holder.settle()
        except BaseException as error:
            audit.end({**_result(moved), "cut off": f"{type(error).__name__}: {error}"})
            raise
        journal.finish(looked_at=seen.queues, still_there=_untouched(seen, letters, journal))
        audit.end(_result(moved))


def _untouched(seen: Look, letters: Sequence[Letter], journal: Journal) -> frozenset[str]:
    """Only worth its while where an earlier run was cut off."""
    if not journal.before.queues:
        return frozenset()
    touched = {id(letter) for letter in letters}
    return frozenset(one.digest() for one in seen.letters if id(one) not in touched)


def archive(queue: str) -> Queue:
    """The queue of discarded letters; after two weeks, or 100,000 later ones, they are gone."""
    return Queue(queue, delivery_limit=UNLIMITED, ttl=_ARCHIVED_FOR, max_length=_MOST_ARCHIVED)


def _named(letters: Sequence[Letter], holder: Holder) -> Mapping[str, Any]:
    return {
        "broker": holder.address,
        "count": len(letters),
        "queues": sorted({letter.queue for letter in letters}),
        "ids": [letter.id for letter in letters[:_MOST_IDS]],
    }


def _result(moved: Moved) -> Mapping[str, Any]:
    return {
        "moved": moved.moved,
        "only acked": moved.only_acked,
        "perhaps twice": moved.perhaps_twice,
        "failed": len(moved.failed),
    }
