"""The files of a service, as they are on the disk.

Receives a project and a service's name, hands its modules to whatever adds to them.
"""

from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ConfigurationError
from toolkit.project import Project, ServiceEntry
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.python import Module
from toolkit.scaffold.style import Style, style_of

MODULES = ("contracts", "settings", "producer", "consumers", "service")
"""What each service has, in reading order."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One service that is about to change."""

    project: Project
    entry: ServiceEntry
    changes: Changes
    style: Style

    @classmethod
    def of(cls, project: Project, name: str) -> "Shape":
        """Raises UnknownServiceError, or ConfigurationError for one without a folder in here."""
        entry = project.service(name)
        package_of(entry.folder, project.root)
        return cls(project, entry, Changes(project.root), style_of(project.root))

    @property
    def package(self) -> str:
        """As it is imported: `services.payments`."""
        return package_of(self.entry.folder, self.project.root)

    @property
    def tests(self) -> Path:
        """Where its tests are."""
        return Path("tests") / self.entry.folder.name

    def path(self, module: str) -> Path:
        """Where one of its modules is."""
        return self.entry.folder.relative_to(self.project.root) / f"{module}.py"

    def module(self, name: str) -> Module:
        """One of its modules, to be added to. Raises ConfigurationError if it has none."""
        path = self.path(name)
        if not self.changes.has(path):
            raise ConfigurationError(
                f"the service '{self.entry.name}' has no {path}",
                [f"make one with a docstring in it; `toolkit new service` makes {_ALL}"],
            )
        return Module(path, self.changes.text(path), self.style)

    def put(self, module: Module) -> None:
        """What has been added to one of its modules."""
        self.changes.edit(module.path, module.text)

    def refuse_taken(self, name: str, *modules: str) -> None:
        """Raises ConfigurationError if one of these modules has that name already."""
        for module in modules:
            if name in self.module(module).names:
                raise ConfigurationError(
                    f"{self.path(module)} has {name} already", ["choose another name"]
                )


def package_of(folder: Path, root: Path) -> str:
    """A folder as it is imported from the root. Raises ConfigurationError for one that can't be."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ("..",)
    if not all(part.isidentifier() for part in parts):
        raise ConfigurationError(
            f"{folder} can't be a package of the project in {root}",
            ["let [tool.toolkit] in pyproject.toml name a folder in it, such as services"],
        )
    return ".".join(parts)


_ALL = ", ".join(f"{module}.py" for module in MODULES)
