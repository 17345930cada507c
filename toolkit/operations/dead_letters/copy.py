"""The copies that a dead letter goes on as: back to its queue, edited, archived, restored.

Receives letters, hands publications to `move`. All go by the default exchange to one queue by name,
so a replay never reaches anybody but the consumer that failed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication
from toolkit.operations.dead_letters.foreign import without_fault
from toolkit.operations.dead_letters.letter import Letter, LetterError
from toolkit.topology import naming

_PERSISTENT = 2
_NOT_KEPT = (wire.DELIVERY_COUNT, wire.ACQUIRED_COUNT, "CC", "BCC")
"""What the broker counts, and what would route a copy to other queues as well."""


class NowhereError(LetterError):
    """Nobody wrote down where a letter came from."""

    def __init__(self, letter: Letter) -> None:
        came = ""
        if letter.fault.exchange:
            came = (
                f" (only that it came by exchange '{letter.fault.exchange}', "
                "which would give it to every subscriber)"
            )
        super().__init__(
            f"letter '{letter.id or 'without id'}' in '{letter.queue}' doesn't say which queue it "
            f"came from{came}; name one with --to QUEUE"
        )


def target_of(letter: Letter, to: str | None = None) -> str:
    """The queue that a replay goes to. Raises `NowhereError`."""
    queue = to or letter.fault.queue
    if queue is None or len(queue.encode(errors="replace")) > 255:
        raise NowhereError(letter)
    return queue


def replayed(letter: Letter, *, message_id: str, now: datetime, to: str | None) -> Publication:
    """The message as it was, with its tries afresh and a count of its replays."""
    headers = without_fault(letter.envelope.headers) | {
        wire.REPLAY_COUNT: letter.replays + 1,
        wire.REPLAYED_AT: wire.format_moment(now),
        wire.REPLAYED_FINGERPRINT: letter.fault.fingerprint,
    }
    fault = letter.fault
    if fault.exchange is not None and fault.routing_key is not None:
        headers.setdefault(wire.ORIGINAL_EXCHANGE, fault.exchange)
        headers.setdefault(wire.ORIGINAL_ROUTING_KEY, fault.routing_key)
    headers.pop(wire.DISCARDED_AT, None)
    headers.pop(wire.DISCARDED_FROM, None)
    return _to(target_of(letter, to), letter.envelope, headers, message_id)


def edited(
    letter: Letter, body: bytes, *, message_id: str, now: datetime, to: str | None
) -> Publication:
    """Another message, which names the one that it was made of."""
    copy = replayed(letter, message_id=message_id, now=now, to=to)
    headers = copy.envelope.headers | {wire.EDITED_FROM: letter.id}
    headers.pop(wire.ORIGINAL_MESSAGE_ID, None)
    envelope = replace(copy.envelope, body=body, headers=headers)
    return Publication(envelope, copy.exchange, copy.routing_key)


def archived(letter: Letter, *, message_id: str, now: datetime) -> Publication:
    """With its fault record and all, into the archive of its queue."""
    headers = _kept(letter) | {
        wire.DISCARDED_AT: wire.format_moment(now),
        wire.DISCARDED_FROM: letter.queue,
    }
    return _to(naming.archive_queue(letter.queue), letter.envelope, headers, message_id)


def restored(letter: Letter, *, message_id: str) -> Publication:
    """Back to the dead letters. Raises `LetterError` for one that wasn't discarded."""
    queue = wire.text(letter.envelope.headers, wire.DISCARDED_FROM)
    if queue is None:
        raise LetterError(
            f"letter '{letter.id}' in '{letter.queue}' has no header '{wire.DISCARDED_FROM}'; "
            "it was put there by somebody else"
        )
    headers = _kept(letter)
    del headers[wire.DISCARDED_FROM]
    headers.pop(wire.DISCARDED_AT, None)
    return _to(queue, letter.envelope, headers, message_id)


def imported(envelope: Envelope, queue: str, *, message_id: str) -> Publication:
    """A letter from a file, as it was exported."""
    headers = {name: value for name, value in envelope.headers.items() if name not in _NOT_KEPT}
    return _to(queue, envelope, headers, message_id)


def _kept(letter: Letter) -> dict[str, Any]:
    headers: Mapping[str, Any] = letter.envelope.headers
    return {name: value for name, value in headers.items() if name not in _NOT_KEPT}


def _to(queue: str, envelope: Envelope, headers: dict[str, Any], message_id: str) -> Publication:
    """What would make it expire where it waits, or the broker refuse it, travels as a header."""
    if envelope.expiration is not None:
        headers[wire.ORIGINAL_EXPIRATION] = envelope.expiration
    if envelope.user_id is not None:
        headers[wire.ORIGINAL_USER_ID] = envelope.user_id
    if envelope.message_id and envelope.message_id != message_id:
        headers[wire.ORIGINAL_MESSAGE_ID] = envelope.message_id
    copy = replace(
        envelope,
        headers=headers,
        message_id=message_id,
        delivery_mode=_PERSISTENT,
        expiration=None,
        user_id=None,
    )
    return Publication(copy, naming.DEFAULT_EXCHANGE, queue)
