"""What can become of a message once its handler is done with it.

Decided in `retry` and in the receiving pipeline, carried out in settlement.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

DeadReason = Literal["failed", "rejected", "undecodable", "unhandled", "crashed"]


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled: publish what the handler held back, then acknowledge."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Try again after a delay; `counts` is False where no try has been used up."""

    delay: timedelta
    error: BaseException | None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Give up: keep the message, with the record of its fault, in the dead-letter queue."""

    reason: DeadReason
    error: BaseException


@dataclass(frozen=True, slots=True)
class Discarded:
    """Acknowledge without having handled it, because the handler said so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Over the crash budget: move to where messages run alone."""


Outcome = Ack | RetryLater | DeadLetter | Discarded | Quarantine
