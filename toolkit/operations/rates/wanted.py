"""Which queues are looked at.

Receives services and patterns from a command, hands the source what to take, and the names to ask
for where nobody can list them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from toolkit.errors import ToolkitError
from toolkit.project import Project, load
from toolkit.service import Service

_WILD = frozenset("*?[")


class UnknownQueueError(ToolkitError):
    """No queue of this name is there, as far as this user can see."""

    exit_code = 65  # sysexits.h: EX_DATAERR

    def __init__(self, queue: str, virtual_host: str, known: Sequence[str]) -> None:
        self.queue = queue
        near = get_close_matches(queue, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "`toolkit top` shows which there are"
        super().__init__(f"there is no queue '{queue}' in virtual host '{virtual_host}'; {hint}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`declared` are queues of services, with the concurrency of a consumer there.

    With `only_declared` no others are taken; with `patterns` only those that match one.
    """

    declared: Mapping[str, int] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    only_declared: bool = False

    def takes(self, queue: str) -> bool:
        """Whether it is to be shown."""
        if self.only_declared and queue not in self.declared:
            return False
        return not self.patterns or any(fnmatchcase(queue, pattern) for pattern in self.patterns)

    @property
    def exact(self) -> tuple[str, ...]:
        """Patterns that are names: such a queue has to be there."""
        return tuple(pattern for pattern in self.patterns if not _WILD & set(pattern))

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for by name."""
        return tuple(dict.fromkeys([*self.exact, *filter(self.takes, self.declared)]))

    def concurrency(self, queue: str) -> int | None:
        """Of one consumer there; None for a stranger's, of which nothing is known."""
        return self.declared.get(queue)

    def require(self, found: Iterable[str], virtual_host: str) -> None:
        """Raises UnknownQueueError for a name that isn't among these."""
        known = set(found)
        for queue in self.exact:
            if queue not in known:
                raise UnknownQueueError(queue, virtual_host, [*known, *self.declared])


def declared_by(services: Iterable[Service]) -> dict[str, int]:
    """Every queue that they declare, and how many messages a consumer of it handles at once."""
    found: dict[str, int] = {}
    for service in services:
        found |= {queue.name: 1 for queue in service.topology.queues}
        together = zip(service.consumers, service.subscriptions, strict=True)
        found |= {subscription.queue: one.concurrency for one, subscription in together}
    return found


def wanted_of(
    services: Sequence[str], patterns: Sequence[str], say: Callable[[str], None]
) -> Wanted:
    """Queues of these services; or those of the project for what is known of them, and all others.

    A project's service that can't be loaded isn't needed for others to be looked at.
    """
    if services:
        declared = declared_by([load(name) for name in services])
        return Wanted(declared, tuple(patterns), only_declared=True)
    declared = {}
    project = Project.around()
    for entry in project.services if project else ():
        try:
            declared |= declared_by([load(entry.name)])
        except ToolkitError as error:
            say(f"nothing is known of {entry.name}'s consumers: {str(error).splitlines()[0]}")
    return Wanted(declared, tuple(patterns))
