"""The copies that carry a message on: to a rung, to the dead letters, to the suspects.

Receives an envelope and what became of it, hands publications to settlement. A copy keeps the
body and every property but four: what the broker added, what would route it elsewhere
(CC, BCC), what would make it expire where it waits, and a `user_id` that the broker would not
accept from us; the last two are kept as headers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope, Headers
from toolkit.messages.outgoing import Publication
from toolkit.policies.dead_letter import FaultRecord
from toolkit.topology import naming
from toolkit.transport.port import Delivery

_PERSISTENT = 2
_LONGEST_LIST = 1_000
_LONGEST_NAME = 255  # AMQP 0-9-1, section 4.2.5.3
_LONGEST_WAIT = timedelta(days=25)  # a little more than the longest delay that can be declared


def origin_of(delivery: Delivery) -> tuple[str, str]:
    """The exchange and routing key that the message first came with."""
    headers = delivery.envelope.headers
    exchange = wire.text(headers, wire.ORIGINAL_EXCHANGE)
    key = wire.text(headers, wire.ORIGINAL_ROUTING_KEY)
    if exchange is None or key is None or max(len(exchange), len(key)) > _LONGEST_NAME:
        return delivery.exchange, delivery.routing_key
    return exchange, key


def rung_for(delay: timedelta, rungs: Sequence[timedelta]) -> timedelta:
    """The longest rung that is not too long, else the shortest."""
    return max((rung for rung in rungs if rung <= delay), default=rungs[0])


def delayed(
    delivery: Delivery,
    *,
    service: str,
    queue: str,
    delay: timedelta,
    rungs: Sequence[timedelta],
    rounds: int,
    attempts: int,
    now: datetime,
) -> Publication:
    """A copy that comes back to `queue` after `delay`.

    Where no rung is exactly that long, the copy says when it is due, and travels in laps.
    """
    rung = rung_for(delay, rungs)
    headers = _carried(delivery) | {
        wire.RETRY_ATTEMPT: rounds,
        wire.ATTEMPTS: attempts,
        wire.FIRST_FAILED_AT: wire.format_moment(first_failure(delivery, now)),
    }
    headers.pop(wire.RETRY_NOT_BEFORE, None)
    if rung < delay:
        headers[wire.RETRY_NOT_BEFORE] = wire.format_moment(now + delay)
    return Publication(_copy(delivery, headers), naming.rung(service, rung), queue)


def suspected(delivery: Delivery, *, suspects: str, queue: str, attempts: int) -> Publication:
    """A copy that waits to run alone."""
    headers = _carried(delivery) | {wire.FAILED_QUEUE: queue, wire.ATTEMPTS: attempts}
    return Publication(_copy(delivery, headers), naming.DEFAULT_EXCHANGE, suspects)


def dead(delivery: Delivery, record: FaultRecord, *, queue: str) -> Iterator[Publication]:
    """Copies with the fault record, each smaller than the one before.

    Headers must fit into one frame; a message that came with very large ones of its own gets a
    record without the stack, and at last loses its own headers, whose names are noted.
    """
    whole = record.headers()
    own = {
        name: value
        for name, value in _carried(delivery).items()
        if name not in whole and name not in (wire.RETRY_ATTEMPT, wire.RETRY_NOT_BEFORE)
    }
    names = ", ".join(own)[:_LONGEST_LIST]
    for headers in (
        own | whole,
        own | record.headers(brief=True),
        record.headers(brief=True) | {wire.DROPPED_HEADERS: names},
    ):
        yield Publication(_copy(delivery, headers), naming.DEFAULT_EXCHANGE, queue)


def first_failure(delivery: Delivery, now: datetime) -> datetime:
    """When the message first failed."""
    return wire.moment(delivery.envelope.headers, wire.FIRST_FAILED_AT) or now


def due(delivery: Delivery, now: datetime) -> timedelta | None:
    """How long until a message that came back early may be tried; None if it may be now."""
    headers = delivery.envelope.headers
    if wire.RETRY_NOT_BEFORE not in headers:
        return None
    moment = wire.moment(headers, wire.RETRY_NOT_BEFORE)
    if moment is None:
        return None
    left = moment - now
    return left if timedelta(0) < left < _LONGEST_WAIT else None


def _carried(delivery: Delivery) -> Headers:
    """The message's own headers, and those that say where it came from."""
    envelope = delivery.envelope
    headers = wire.without_brokers_own(envelope.headers)
    exchange, key = origin_of(delivery)
    kept: dict[str, Any] = {wire.ORIGINAL_EXCHANGE: exchange, wire.ORIGINAL_ROUTING_KEY: key}
    if envelope.expiration is not None:
        kept[wire.ORIGINAL_EXPIRATION] = envelope.expiration
    if envelope.user_id is not None:
        kept[wire.ORIGINAL_USER_ID] = envelope.user_id
    if envelope.message_id is not None and not _is_text(envelope.message_id):
        kept[wire.ORIGINAL_MESSAGE_ID] = envelope.message_id
    return headers | kept


def _is_text(message_id: str) -> bool:
    """Whether a broker's answer that names this id can be read by every client."""
    try:
        return bool(message_id.encode())
    except UnicodeEncodeError:
        return False


def _copy(delivery: Delivery, headers: Headers) -> Envelope:
    envelope = delivery.envelope
    message_id = envelope.message_id
    return replace(
        envelope,
        headers=headers,
        message_id=message_id if message_id and _is_text(message_id) else uuid4().hex,
        delivery_mode=_PERSISTENT,
        expiration=None,
        user_id=None,
    )
