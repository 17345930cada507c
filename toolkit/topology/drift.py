"""What a broker holds otherwise than declared, collected until all of it is known.

Receives differences, refusals and problems from a transport, hands one `TopologyError`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from toolkit.errors import Difference, TopologyError

_ADVICE = (
    "Nothing was changed. Either declare what the broker has, or remove what it has once it is "
    "empty (`rabbitmqctl delete_queue NAME`, on another exchange type also the exchange), or "
    "choose another name"
)


def drift_of(queue: str, differences: Iterable[Difference]) -> str | None:
    """What was found to differ of one queue, as a sentence; None for nothing."""
    found = [str(each) for each in differences if each.kind == "queue" and each.name == queue]
    return "; ".join(found) or None


@dataclass(slots=True)
class Findings:
    """What was found so far."""

    problems: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def is_any(self) -> bool:
        """Whether anything was found."""
        return bool(self.problems or self.differences or self.refusals)

    def add_missing(self, kind: str, name: str) -> None:
        """Something that was only to be looked for isn't there."""
        self.problems.append(
            f"{kind} '{name}' is missing; create it, or start once with TOOLKIT_TOPOLOGY=declare"
        )

    def raise_if_any(self) -> None:
        """Raises `TopologyError` with everything, and what to do about it."""
        problems = [*map(str, self.differences), *self.refusals, *self.problems]
        if not problems:
            return
        if self.differences:
            problems.append(_ADVICE)
        raise TopologyError(
            "The broker doesn't hold what this service declares",
            problems,
            differences=self.differences,
            refusals=self.refusals,
        )
