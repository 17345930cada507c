"""The messages of a project: who announces what, who listens, and whose word counts.

Receives services, hands commands a message by its name, with the contract to hold it against.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from toolkit.errors import ToolkitError
from toolkit.messages.codec import Codec
from toolkit.messages.contract import Contract
from toolkit.sending.pipeline import Route
from toolkit.service import Service


class UnknownMessageError(ToolkitError):
    """No service of the project publishes or consumes a message of this name."""

    exit_code = 65

    def __init__(self, name: str, known: Sequence[str]) -> None:
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif known:
            hint = f"known are: {', '.join(known)}"
        else:
            hint = "there are no messages at all"
        super().__init__(f"no service here publishes or consumes '{name}'; {hint}")


class AmbiguousMessageError(ToolkitError):
    """Several messages of the project have a class of this name."""

    exit_code = 65

    def __init__(self, name: str, meant: Sequence[str]) -> None:
        super().__init__(f"'{name}' may be {' or '.join(meant)}; give one of these names")


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the project."""

    route: Route
    """The owner's contract, and how it is published; where the owner isn't here, a copy."""
    owner: str
    """The service whose contract this is."""
    codec: Codec
    """How that service writes it."""

    @property
    def contract(self) -> Contract:
        """What the message must be like."""
        return self.route.contract


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every message that the services publish or consume, by its name."""

    entries: dict[str, Entry]

    @classmethod
    def of(cls, services: Iterable[Service]) -> "Catalogue":
        """An event belongs to who publishes it, a command to who handles it: others have copies."""
        owned: dict[str, Entry] = {}
        copied: dict[str, Entry] = {}
        for service in services:
            for route, is_owner in _known_to(service):
                entry = Entry(route, service.name, service.codec)
                (owned if is_owner else copied).setdefault(route.contract.name, entry)
        return cls(dict(sorted((copied | owned).items())))

    def find(self, name: str) -> Entry:
        """By its name on the wire, or that of its class.

        Raises `UnknownMessageError` or `AmbiguousMessageError`.
        """
        if name in self.entries:
            return self.entries[name]
        classes = {wire: entry.contract.model.__name__ for wire, entry in self.entries.items()}
        meant = [wire for wire, of_class in classes.items() if of_class == name]
        if len(meant) > 1:
            raise AmbiguousMessageError(name, meant)
        if not meant:
            known = classes.values() if name[:1].isupper() else classes
            raise UnknownMessageError(name, list(known))
        return self.entries[meant[0]]

    @property
    def commands(self) -> tuple[str, ...]:
        """The names of all commands."""
        return tuple(
            name for name, entry in self.entries.items() if entry.contract.kind == "command"
        )


def owned_by(service: Service) -> tuple[Contract, ...]:
    """The contracts that others take from this service, in the order of their names."""
    owned = {route.contract for route, is_owner in _known_to(service) if is_owner}
    return tuple(sorted(owned, key=lambda contract: contract.name))


def _known_to(service: Service) -> Iterator[tuple[Route, bool]]:
    """Each message, and whether it is the service's own."""
    for producer in service.producers:
        for declared in producer.declared():
            yield declared.route(), declared.contract.kind == "event"
    for subscription in service.subscriptions:
        for contract in subscription.contracts:
            yield Route.of(contract), contract.kind == "command"
