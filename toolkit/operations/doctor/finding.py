"""What one look comes to.

Receives nothing, hands values to whoever shows or counts them.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "wrong", "unknown"]
"""As it should be; worth knowing; to be mended; not seen, which is not the same as being well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    subject: str
    status: Status
    sentence: str
    fix: str | None = None
    """What to do, or the command that does it."""
