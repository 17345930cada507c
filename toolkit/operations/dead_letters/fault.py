"""Why a message died, whoever wrote it down.

Receives values from a dialect of fault records, hands a `Fault` to letters.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

_PLACES = re.compile(
    r" in \S.*:line \d+"  # .NET: in /src/Bank.cs:line 12
    r"|, line \d+"  # Python
    r"|:\d+(?=\))"  # Java: (Orders.java:42)
    r"|0x[0-9a-fA-F]+"
    r"|@[0-9a-f]{4,}"
)
_FRAME = re.compile(r"^\s*(?:at |File )(?P<frame>.+)$", re.MULTILINE)
_MOST_FRAMES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is known; None for what isn't."""

    source: str
    """Who wrote it: toolkit, MassTransit, Spring, NServiceBus, the broker, or nobody."""
    fingerprint: str
    """The same for the same fault."""
    reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    stack: str | None = None
    failed_at: datetime | None = None
    first_failed_at: datetime | None = None
    service: str | None = None
    consumer: str | None = None
    host: str | None = None
    queue: str | None = None
    """Where it failed, and so where a replay goes to."""
    attempts: int | None = None
    exchange: str | None = None
    routing_key: str | None = None
    message_type: str | None = None


def fingerprint(error_type: str | None, stack: str | None, *others: str | None) -> str:
    """16 hex digits of the error's type and the functions in its stack, without line numbers,
    addresses and folders; of `others` where there is neither.
    """
    frames = [_PLACES.sub("", frame["frame"]).strip() for frame in _FRAME.finditer(stack or "")][
        :_MOST_FRAMES
    ]
    parts = [error_type or "", *frames] if error_type or frames else [part or "" for part in others]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
