"""Dead letters that belong together.

Receives letters, hands groups, the largest first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from toolkit.operations.dead_letters.letter import Letter

By = Literal["fingerprint", "consumer", "type", "time"]

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Group:
    """Letters with one thing in common."""

    key: str
    letters: tuple[Letter, ...]
    """The newest last."""

    @property
    def count(self) -> int:
        """How many."""
        return len(self.letters)

    @property
    def newest(self) -> Letter:
        """The one that failed last, which is where to begin to look."""
        return self.letters[-1]

    @property
    def queues(self) -> tuple[str, ...]:
        """Where they lie."""
        return tuple(sorted({letter.queue for letter in self.letters}))

    @property
    def again(self) -> int:
        """How many were replayed and failed the same way."""
        return sum(letter.failed_the_same_way for letter in self.letters)


def grouped(letters: Iterable[Letter], by: By = "fingerprint") -> list[Group]:
    """By what they have in common; time is by the hour in which they failed."""
    key_of = _KEYS[by]
    found: dict[str, list[Letter]] = {}
    for letter in letters:
        found.setdefault(key_of(letter), []).append(letter)
    groups = [Group(key, tuple(sorted(some, key=_when))) for key, some in found.items()]
    return sorted(groups, key=lambda group: (-group.count, group.key))


def _when(letter: Letter) -> datetime:
    return letter.at or _LONG_AGO


def _consumer(letter: Letter) -> str:
    fault = letter.fault
    return " ".join(filter(None, (fault.service, fault.consumer))) or fault.queue or _UNKNOWN


def _hour(letter: Letter) -> str:
    return letter.at.astimezone(UTC).strftime("%Y-%m-%d %H:00Z") if letter.at else _UNKNOWN


_KEYS: dict[By, Callable[[Letter], str]] = {
    "fingerprint": lambda letter: letter.fault.fingerprint,
    "consumer": _consumer,
    "type": lambda letter: letter.type or _UNKNOWN,
    "time": _hour,
}
