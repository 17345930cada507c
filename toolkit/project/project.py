"""A project and its services.

Receives a folder somewhere inside of it, hands commands the services that were found.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from toolkit.errors import ConfigurationError
from toolkit.project.entry import ServiceEntry, entry_of, name_of
from toolkit.project.settings import FILE, ServiceTable, ToolkitTable, table_in


class NoProjectError(ConfigurationError):
    """There is no project here."""

    def __init__(self, start: Path) -> None:
        super().__init__(
            f"there is no project in {start}",
            [
                f"neither a {FILE} with [tool.toolkit] nor a folder 'services', there or above",
                "go to where one is, or begin with: toolkit new project NAME",
            ],
        )


class UnknownServiceError(ConfigurationError):
    """The project has no service of this name."""

    def __init__(self, name: str, project: "Project") -> None:
        known = [entry.name for entry in project.services]
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        has = f"it has {', '.join(known)}" if known else "it has none yet: toolkit new service NAME"
        super().__init__(f"there is no service '{name}' in {project.root}", [f"{hint}{has}"])


@dataclass(frozen=True, slots=True)
class Project:
    """The folder that it is in, and its services by name."""

    root: Path
    folder: Path
    """Where a new service goes."""
    services: tuple[ServiceEntry, ...]

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """The project around a folder, by default the current one.

        Raises NoProjectError, or ConfigurationError for one that is not in order.
        """
        start = (start or Path.cwd()).resolve()
        for root in (start, *start.parents):
            table = table_in(root)
            if table is not None or _has_services(root / ToolkitTable().services):
                return cls._at(root, table or ToolkitTable())
        raise NoProjectError(start)

    @classmethod
    def around(cls) -> "Project | None":
        """The project around the current folder, or None for what works without one too."""
        try:
            return cls.find()
        except NoProjectError:
            return None

    @classmethod
    def _at(cls, root: Path, table: ToolkitTable) -> "Project":
        folder = root / table.services
        named = {name: _named(name, one, root) for name, one in table.service.items()}
        found = {entry.name: entry for entry in _in(folder, root)}
        services = (found | named).values()
        return cls(root, folder, tuple(sorted(services, key=lambda entry: entry.name)))

    def service(self, name: str) -> ServiceEntry:
        """The one of this name; underscores may stand for dashes. Raises UnknownServiceError."""
        for entry in self.services:
            if entry.name in (name, name_of(name)):
                return entry
        raise UnknownServiceError(name, self)

    def chosen(self, names: Sequence[str]) -> tuple[ServiceEntry, ...]:
        """Those of these names, or all of them if none is named. Raises UnknownServiceError."""
        return tuple(self.service(name) for name in names) if names else self.services


def _in(folder: Path, root: Path) -> Iterator[ServiceEntry]:
    if folder.is_dir():
        for package in sorted(folder.iterdir()):
            if entry := entry_of(package, root):
                yield entry


def _has_services(folder: Path) -> bool:
    return any(folder.glob("*/service.py"))


def _named(name: str, table: ServiceTable, root: Path) -> ServiceEntry:
    package = table.target.partition(":")[0].rpartition(".")[0]
    folder = table.folder if table.folder is not None else package.replace(".", "/")
    return ServiceEntry(
        name=name,
        target=table.target,
        folder=root / folder,
        found=f"[tool.toolkit.service.{name}] in {FILE}",
        command=table.command,
    )
