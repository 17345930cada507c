"""The dead-letter policy, and the record of a fault that a dead letter carries.

Receives an exception from settlement, hands it headers of bounded size.
"""

import hashlib
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta

from toolkit.errors import ConfigurationError
from toolkit.messages import headers as wire
from toolkit.messages.envelope import Headers
from toolkit.policies.duration import Duration, format_duration, parse_duration
from toolkit.policies.outcome import DeadReason

_LONGEST_MESSAGE = 1_000
_LONGEST_STACK = 8_000
_ENGINE = (
    "toolkit.",
    "tenacity",
    "asyncio.",
    "concurrent.futures.",
)  # says how the handler was called, not what failed
_CUT = "\n  ... cut ...\n"


@dataclass(frozen=True, slots=True, init=False)
class DeadLetters:
    """How long dead letters are kept: for ever, unless `retain` or `max_length` says less.

    What is older than `retain`, or over `max_length` (the oldest first), is dropped by the
    broker. Raises `ConfigurationError` for values that make no sense.
    """

    retain: timedelta | None
    max_length: int | None

    def __init__(self, *, retain: Duration | None = None, max_length: int | None = None) -> None:
        problems = []
        age = None
        try:
            age = None if retain is None else parse_duration(retain)
        except ValueError as error:
            problems.append(f"retain: {error}")
        if age is not None and not age:
            problems.append("retain: must be longer than zero")
        if max_length is not None and max_length < 1:
            problems.append(f"max_length: {max_length} must be 1 or more")
        if problems:
            raise ConfigurationError("This dead-letter policy can't work", problems)
        object.__setattr__(self, "retain", age)
        object.__setattr__(self, "max_length", max_length)

    def __str__(self) -> str:
        limits = []
        if self.retain:
            limits.append(f"for {format_duration(self.retain)}")
        if self.max_length:
            limits.append(f"the last {self.max_length:,}")
        return f"kept {' and '.join(limits)}" if limits else "kept for ever"


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """What failed, where, how often and when."""

    reason: DeadReason
    error: BaseException
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    queue: str
    consumer: str
    service: str
    host: str
    original_exchange: str
    original_routing_key: str

    def headers(self, *, brief: bool = False) -> Headers:
        """The record as headers, under 12 kB; `brief` leaves out the stack."""
        record: Headers = {
            wire.DEAD_REASON: self.reason,
            wire.ERROR_TYPE: error_type(self.error),
            wire.ERROR_MESSAGE: _shortened(said(self.error), 200 if brief else _LONGEST_MESSAGE),
            wire.ERROR_FINGERPRINT: fingerprint(self.error),
            wire.ATTEMPTS: self.attempts,
            wire.FIRST_FAILED_AT: wire.format_moment(self.first_failed_at),
            wire.FAILED_AT: wire.format_moment(self.failed_at),
            wire.FAILED_QUEUE: self.queue,
            wire.FAILED_CONSUMER: self.consumer,
            wire.FAILED_SERVICE: self.service,
            wire.FAILED_HOST: self.host,
            wire.ORIGINAL_EXCHANGE: self.original_exchange,
            wire.ORIGINAL_ROUTING_KEY: self.original_routing_key,
        }
        if not brief:
            record[wire.ERROR_STACK] = stack_of(self.error)
        return record


def error_type(error: BaseException) -> str:
    """The error's class, with its module unless that is `builtins`."""
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )


def said(error: BaseException) -> str:
    """The error's text, even if it can't say it."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - somebody's `__str__`, while we report their error
        return f"<{type(error).__name__} whose text can't be made: {type(broken).__name__}>"


def stack_of(error: BaseException) -> str:
    """The traceback as Python prints it, causes included, under 8 kB."""
    return _shortened("".join(traceback.format_exception(error, limit=-30)), _LONGEST_STACK)


def fingerprint(error: BaseException) -> str:
    """16 hex digits that are the same for the same fault.

    Made of the error's type and the functions it passed through, without line numbers and
    without its text, so that a new release or another customer doesn't start a new group.
    """
    frames = [
        f"{module}:{frame.f_code.co_qualname}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if not (module := str(frame.f_globals.get("__name__", "?"))).startswith(_ENGINE)
    ]
    return hashlib.sha256("\n".join([error_type(error), *frames]).encode()).hexdigest()[:16]


def _shortened(text: str, room: int) -> str:
    """Cut in the middle: where an error began and where it ended say the most.

    Lone surrogates, which UTF-8 can't carry, are replaced.
    """
    text = text.encode("utf-8", "replace").decode()
    if len(text.encode()) <= room:
        return text
    half = (room - len(_CUT)) // 2
    raw = text.encode()
    return raw[:half].decode(errors="ignore") + _CUT + raw[-half:].decode(errors="ignore")
