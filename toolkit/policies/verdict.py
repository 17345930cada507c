"""What a handler raises on purpose, to decide for itself.

Raised in handlers, read by `retry`.
"""

from toolkit.errors import ToolkitError
from toolkit.policies.duration import Duration, format_duration, parse_duration


class Verdict(ToolkitError):
    """The root of the three."""


class RetryAfter(Verdict):
    """Try again, not earlier than after `delay`.

    It counts against the consumer's budget of delayed tries. The message waits on the longest
    rungs that fit, so it comes back up to one shortest rung late, never early.
    """

    def __init__(self, delay: Duration, reason: str = "") -> None:
        self.delay = parse_duration(delay)
        self.reason = reason
        super().__init__(reason or f"asked to be tried again after {format_duration(self.delay)}")


class Reject(Verdict):
    """Dead-letter the message at once."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Discard(Verdict):
    """Acknowledge the message without handling it; counted and logged."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
