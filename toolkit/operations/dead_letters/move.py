"""Letters on their way to another queue: sent, confirmed, written down, acked, in this order.

Receives letters that are held and what makes their copies, hands the result of the run. A letter
whose copy wasn't confirmed stays where it is.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from toolkit.errors import ConnectionLostError, PublishError, PublishTimeoutError, UnroutableError
from toolkit.messages.outgoing import Publication
from toolkit.operations.dead_letters.journal import Journal
from toolkit.operations.dead_letters.letter import Letter
from toolkit.transport.rabbitmq.holding import Holder

Copy = Callable[[Letter, str], Publication]
"""The copy of a letter, under this id."""

_AT_ONCE = 256
"""Letters of one batch: no more than these can be sent twice if a run is killed."""
_BATCHES_A_SECOND = 5  # at most, where there is a rate


@dataclass(slots=True)
class Moved:
    """What a run came to, so far."""

    moved: int = 0
    only_acked: int = 0
    """Confirmed by an earlier run that was cut off before its acks."""
    perhaps_twice: int = 0
    """Among those moved: an earlier run may have sent them too."""
    failed: list[tuple[Letter, str]] = field(default_factory=list)
    """Still where they were, and why."""

    @property
    def done(self) -> int:
        """How many are not dead letters any more."""
        return self.moved + self.only_acked


async def move(
    letters: Sequence[Letter],
    copy: Copy,
    holder: Holder,
    journal: Journal,
    *,
    rate: float | None,
    timeout: timedelta,
    moved: Moved,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """All of them, in their order; `moved` is kept up to date.

    Raises a `PublishTimeoutError` or `TransportError` when the broker can't be asked any more: what
    is confirmed by then is acked, or will be by the next run.
    """
    began = monotonic()
    behind = 0
    for batch in _batches(letters, rate):
        if rate:
            await asyncio.sleep(began + behind / rate - monotonic())
        await _move(batch, copy, holder, journal, timeout, moved)
        behind += len(batch)
        progress(len(batch))


def _batches(letters: Sequence[Letter], rate: float | None) -> Iterator[Sequence[Letter]]:
    size = _AT_ONCE if rate is None else max(1, min(_AT_ONCE, int(rate / _BATCHES_A_SECOND)))
    for start in range(0, len(letters), size):
        yield letters[start : start + size]


async def _move(
    batch: Sequence[Letter],
    copy: Copy,
    holder: Holder,
    journal: Journal,
    timeout: timedelta,
    moved: Moved,
) -> None:
    to_send: list[tuple[Letter, str, str]] = []
    before = journal.before
    for letter in batch:
        if not letter.delivery.is_live:
            raise ConnectionLostError(
                "the broker has taken back what was held: it closed a channel"
            )
        digest = letter.digest()
        if before.confirmed[digest] > 0:
            before.confirmed[digest] -= 1
            letter.delivery.ack()
            moved.only_acked += 1
            continue
        message_id = letter.sendable_id
        if before.uncertain[digest] > 0:
            before.uncertain[digest] -= 1
            moved.perhaps_twice += 1
            message_id = message_id or before.ids[digest]
        to_send.append((letter, digest, message_id or uuid4().hex))
    journal.intend([(digest, message_id, one.queue) for one, digest, message_id in to_send])
    fates = await asyncio.gather(
        *(
            holder.publish(copy(letter, message_id), timeout=timeout)
            for letter, _, message_id in to_send
        ),
        return_exceptions=True,
    )
    confirmed = [
        (letter, digest)
        for (letter, digest, _), fate in zip(to_send, fates, strict=True)
        if fate is None
    ]
    journal.confirm([digest for _, digest in confirmed])
    for letter, _ in confirmed:
        letter.delivery.ack()
    moved.moved += len(confirmed)
    for (letter, _, _), fate in zip(to_send, fates, strict=True):
        if isinstance(fate, BaseException):
            moved.failed.append((letter, _reason(fate)))


def _reason(fate: BaseException) -> str:
    """Raises what stands in the way of all others too."""
    match fate:
        case PublishTimeoutError():
            raise fate
        case UnroutableError(routing_key=queue):
            return f"there is no queue '{queue}'"
        case PublishError():
            return str(fate)
        case _:
            raise fate
