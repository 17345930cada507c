"""Every header on the wire: its name, and how its value is read and written.

None begins with `x-`, which brokers keep for themselves. Receives untrusted values from
the wire; a header of ours with a value that makes no sense counts as absent.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

SCHEMA_VERSION: Final = "schema-version"
CAUSATION_ID: Final = "causation-id"

RETRY_ATTEMPT: Final = "retry-attempt"
"""How many delayed tries lie behind this message: 0, or absent, for the first round."""
ATTEMPTS: Final = "attempts"
"""How many times a handler has run for this message, over all rounds."""
RETRY_NOT_BEFORE: Final = "retry-not-before"
"""When the next try is due, where that is later than the rung brings the message back."""
FIRST_FAILED_AT: Final = "first-failed-at"

DEAD_REASON: Final = "dead-reason"
ERROR_TYPE: Final = "error-type"
ERROR_MESSAGE: Final = "error-message"
ERROR_STACK: Final = "error-stack"
ERROR_FINGERPRINT: Final = "error-fingerprint"
FAILED_AT: Final = "failed-at"
FAILED_QUEUE: Final = "failed-queue"
FAILED_CONSUMER: Final = "failed-consumer"
FAILED_SERVICE: Final = "failed-service"
FAILED_HOST: Final = "failed-host"

ORIGINAL_EXCHANGE: Final = "original-exchange"
ORIGINAL_ROUTING_KEY: Final = "original-routing-key"
ORIGINAL_EXPIRATION: Final = "original-expiration"
"""A copy must not expire where it waits, so the time to live travels as a header."""
ORIGINAL_USER_ID: Final = "original-user-id"
"""Brokers refuse a `user_id` that is not the publisher's own, so a copy names it here."""
ORIGINAL_MESSAGE_ID: Final = "original-message-id"
"""An id that is no UTF-8 text; the copy has a new one."""
ORIGINAL_PROPERTIES: Final = "original-properties"
"""The whole property list of a message, byte for byte, where it could not be read."""
DROPPED_HEADERS: Final = "dropped-headers"
"""Names of headers that a dead letter had no room for."""

REPLAY_COUNT: Final = "replay-count"
"""How often this message has been sent back from the dead letters; 0, or absent, for never."""
REPLAYED_AT: Final = "replayed-at"
REPLAYED_FINGERPRINT: Final = "replayed-fingerprint"
"""The fault that it was last replayed after: the same one again means that nothing was mended."""
EDITED_FROM: Final = "edited-from"
"""The id of the dead letter that somebody made this message of."""
DISCARDED_AT: Final = "discarded-at"
DISCARDED_FROM: Final = "discarded-from"
"""The queue of dead letters that an archived one goes back to when it is restored."""

DELIVERY_COUNT: Final = "x-delivery-count"
ACQUIRED_COUNT: Final = "x-acquired-count"

_DEEPEST = 16
_BYTES = "surrogateescape"  # bytes that were no UTF-8 go out as they came
_LARGEST_COUNT = 2**31 - 1

_BROKERS_OWN = frozenset({"x-death", DELIVERY_COUNT, ACQUIRED_COUNT, "CC", "BCC"})
_BROKERS_OWN_PREFIXES = ("x-first-death-", "x-last-death-", "x-opt-")


def without_brokers_own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that a copy may carry.

    Brokers before 4.0 act on a copied `x-death` and can drop the message as a cycle
    (https://www.rabbitmq.com/docs/dlx#automatic-dead-letter-cycles); CC and BCC would
    route the copy to other queues as well.
    """
    return {
        name: value
        for name, value in headers.items()
        if name not in _BROKERS_OWN and not name.startswith(_BROKERS_OWN_PREFIXES)
    }


def count(headers: Mapping[str, Any], name: str) -> int:
    """A header that counts something; 0 where it is absent, negative or no number.

    A stranger's absurd number counts as a very large one, to which we can still add.
    """
    value = headers.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return 0
    return min(value, _LARGEST_COUNT)


def text(headers: Mapping[str, Any], name: str) -> str | None:
    """A header that is text; None where it is absent or something else."""
    value = headers.get(name)
    return value if isinstance(value, str) else None


def moment(headers: Mapping[str, Any], name: str) -> datetime | None:
    """A header that is a moment in ISO 8601; None where it is absent or unreadable."""
    value = headers.get(name)
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def format_moment(value: datetime) -> str:
    """A moment as it stands in a header: ISO 8601, UTC, milliseconds."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds")


def delivery_count(headers: Mapping[str, Any]) -> int:
    """How often the broker has handed this message out before.

    From 4.3 on a returned message counts only in `x-acquired-count`; before, quorum queues
    count every return in `x-delivery-count`. Classic queues count nothing.
    """
    if ACQUIRED_COUNT in headers:
        return count(headers, ACQUIRED_COUNT)
    return count(headers, DELIVERY_COUNT) if DELIVERY_COUNT in headers else 0


def problem_of(value: object, depth: int = 0) -> str | None:  # noqa: PLR0911 - one for each type
    """Why AMQP has no type for a header's value (0-9-1, section 4.2.5.5); None if it has."""
    match value:
        case None | bool() | bytes() | bytearray():
            return None
        case str():
            return None if _is_sendable(value) else f"{value!r:.60} is no text UTF-8 can carry"
        case int():
            return None if -(2**63) <= value < 2**63 else f"{value} has more than 64 bits"
        case float():
            return None if math.isfinite(value) else f"{value} is no number a broker takes"
        case datetime():
            return None if _is_after_1970(value) else f"{value} is before 1970"
        case Decimal():
            return None if _is_amqp_decimal(value) else f"{value} must be sent as text"
        case dict() | list() | tuple() if depth >= _DEEPEST:
            return f"it is nested more than {_DEEPEST} deep"
        case dict():
            names = (_problem_of_name(name) for name in value)
            values = (problem_of(inner, depth + 1) for inner in value.values())
            return _first(names) or _first(values)
        case list() | tuple():
            return _first(problem_of(inner, depth + 1) for inner in value)
        case _:
            return f"AMQP has no type for a {type(value).__name__}"


def _problem_of_name(name: object) -> str | None:
    if isinstance(name, str) and _is_sendable(name) and len(name.encode(errors=_BYTES)) <= 255:
        return None
    return f"{name!r:.60} is no name of 255 bytes at most"


def _is_sendable(text: str) -> bool:
    try:
        text.encode(errors=_BYTES)
    except UnicodeEncodeError:
        return False
    return True


def _is_after_1970(moment: datetime) -> bool:
    try:
        return moment.timestamp() >= 0
    except (OverflowError, OSError, ValueError):
        return False


def _is_amqp_decimal(value: Decimal) -> bool:
    """A scale of one byte and an unsigned number of four (0-9-1, section 4.2.5.5)."""
    sign, digits, exponent = value.as_tuple()
    if sign or not isinstance(exponent, int) or not -255 <= exponent <= 0 or len(digits) > 10:
        return False
    return int("".join(map(str, digits))) < 2**32


def _first(problems: Iterable[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)
