"""What a service has said of itself.

Receives a file that something writes to, hands its end to whoever must know what went wrong.
"""

from dataclasses import dataclass
from pathlib import Path

_LAST_LINES = 15
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Log:
    """The log of whoever has that name."""

    name: str
    path: Path

    def last_words(self) -> str:
        """Its end."""
        lines = self.path.read_text(errors="replace").splitlines()
        return "\n".join(line[:_LONGEST_LINE] for line in lines[-_LAST_LINES:]) or "(none)"
