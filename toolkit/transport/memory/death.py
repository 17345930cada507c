"""What the broker writes on a message when it dead-letters it, and when it refuses to.

Receives a payload and why it died, hands the payload that goes to the dead-letter exchange.

Before 4.0 the history is the `x-death` header itself, so whatever a client sends there is part of
it; from 4.0 on the broker keeps its own and writes the header from that
(https://www.rabbitmq.com/docs/dlx#effects).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from toolkit.messages.envelope import Headers
from toolkit.topology.declarations import Version
from toolkit.transport.memory.message import Message, Payload, with_headers

Reason = Literal["rejected", "expired", "maxlen", "delivery_limit"]


@dataclass(frozen=True, slots=True)
class Death:
    """All deaths of one message in one queue for one reason."""

    queue: str
    reason: Reason
    exchange: str
    routing_keys: tuple[str, ...]
    at: datetime
    original_expiration: str | None
    count: int = 1

    def as_table(self) -> Headers:
        """The entry of `x-death`; its time is that of the first death."""
        table: Headers = {
            "count": self.count,
            "reason": self.reason,
            "queue": self.queue,
            "time": self.at.replace(microsecond=0),
            "exchange": self.exchange,
            "routing-keys": list(self.routing_keys),
        }
        if self.original_expiration is not None:
            table["original-expiration"] = self.original_expiration
        return table


def dead_lettered(
    message: Message,
    *,
    queue: str,
    reason: Reason,
    exchange: str,
    routing_key: str | None,
    at: datetime,
    version: Version,
) -> Payload:
    """The payload with its death on record, on its way to `exchange`; it can't expire again.

    Without a `routing_key` it keeps all that it had, CC and BCC included.
    """
    payload = message.payload
    death = Death(
        queue,
        reason,
        payload.exchange,
        _keys_on_record(payload, version),
        at,
        payload.envelope.expiration,
    )
    record = _recorded if version >= (4, 0) else _recorded_in_header
    headers, deaths = record(payload, death)
    if routing_key is not None and version < (4, 0):
        headers.pop("CC", None)
    envelope = with_headers(payload.envelope, headers)
    envelope.expiration = None
    return Payload(
        envelope,
        exchange,
        payload.routing_keys if routing_key is None else (routing_key,),
        hidden_keys=payload.hidden_keys if routing_key is None else 0,
        deaths=deaths,
        failed=message.failed if version >= (4, 0) else 0,
    )


def is_cycle(payload: Payload, queue: str, reason: Reason, version: Version) -> bool:
    """Whether a dead letter has been in this queue before, with no client's reject since.

    Such a message is not put there again
    (https://www.rabbitmq.com/docs/dlx#automatic-dead-letter-cycles).
    """
    if reason == "rejected":
        return False
    history: Sequence[tuple[Any, Any]]
    if version >= (4, 0):
        history = [(death.queue, death.reason) for death in payload.deaths]
    else:
        history = _history_in_header(payload.envelope.headers)
    for died_in, died_of in history:
        if died_of == "rejected" or died_in is None:
            return False
        if died_in == queue:
            return True
    return False


def _keys_on_record(payload: Payload, version: Version) -> tuple[str, ...]:
    """The first key and CC; BCC is nobody's business."""
    if version >= (4, 0):
        return payload.routing_keys[: len(payload.routing_keys) - payload.hidden_keys]
    copies = payload.envelope.headers.get("CC")
    return (payload.routing_keys[0], *(copies if isinstance(copies, list) else ()))


def _recorded(payload: Payload, death: Death) -> tuple[Headers, tuple[Death, ...]]:
    known = [d for d in payload.deaths if (d.queue, d.reason) == (death.queue, death.reason)]
    others = [d for d in payload.deaths if d not in known]
    newest = replace(known[0], count=known[0].count + 1) if known else death
    deaths = (newest, *others)
    headers = dict(payload.envelope.headers)
    if not payload.deaths:
        headers |= _place("first", death)
    headers |= _place("last", death)
    headers["x-death"] = [each.as_table() for each in deaths]
    return headers, deaths


def _recorded_in_header(payload: Payload, death: Death) -> tuple[Headers, tuple[Death, ...]]:
    """The newest entry is first; the others turn round each time, a quirk that ended with 4.0."""
    headers = dict(payload.envelope.headers)
    entries = headers.get("x-death")
    if entries is None:
        headers |= _place("first", death)
    tables = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    newest = death.as_table()
    others = []
    for table in reversed(tables):  # so does rabbit_dead_letter:group_by_queue_and_reason/1
        if (table.get("queue"), table.get("reason")) == (death.queue, death.reason):
            newest = {**table, "count": _count(table) + 1}
        else:
            others.append(table)
    headers["x-death"] = [newest, *others]
    return headers, ()


def _count(table: Headers) -> int:
    count = table.get("count", 0)
    return count if isinstance(count, int) else 0


def _place(which: str, death: Death) -> Headers:
    return {
        f"x-{which}-death-reason": death.reason,
        f"x-{which}-death-queue": death.queue,
        f"x-{which}-death-exchange": death.exchange,
    }


def _history_in_header(headers: Headers) -> list[tuple[Any, Any]]:
    """What isn't a table was put there by a client, so the cycle isn't automatic."""
    entries = headers.get("x-death")
    if not isinstance(entries, list):
        return []
    return [
        (entry.get("queue", ""), entry.get("reason")) if isinstance(entry, dict) else (None, None)
        for entry in entries
    ]
