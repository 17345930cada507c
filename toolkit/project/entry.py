"""One service of a project.

Receives what pyproject.toml or the folders say, hands commands what they need to load it, run it
and watch it.
"""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ConfigurationError

MAKERS = ("make_service", "service")
"""What a module that holds a service calls it: a function that makes one, or the service itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEntry:
    """Where a service is, and how it becomes a process."""

    name: str
    """As in its queues' names: `order-items`."""
    target: str
    """`module:attribute`, as `toolkit run` takes it."""
    folder: Path
    """What belongs to it: a change in here is a change of this service."""
    found: str
    """Where it was found, for people."""
    command: tuple[str, ...] = ()
    """What starts it, where that isn't `toolkit run`; the first word may be `python`."""

    @property
    def process(self) -> tuple[str, ...]:
        """The command line of its process, with the interpreter that runs this."""
        if not self.command:
            return (sys.executable, "-m", "toolkit", "run", self.target)
        first, *rest = self.command
        return (sys.executable if first == "python" else first, *rest)


def name_of(package: str) -> str:
    """A package's name as its service is called: underscores are for Python only."""
    return package.replace("_", "-")


def entry_of(folder: Path, root: Path) -> ServiceEntry | None:
    """The service in a package of the usual shape, or None if it is no such package.

    It has a module `service` with a `make_service` or a `service` in it; a `__main__` beside that
    is how it is started. Raises ConfigurationError if the module has neither.
    """
    module = folder / "service.py"
    if not (module.is_file() and folder.name.isidentifier()):
        return None
    package = ".".join(folder.relative_to(root).parts)
    shown = module.relative_to(root)
    defined = _defined_in(module)
    attribute = next((maker for maker in MAKERS if maker in defined), None)
    if attribute is None:
        raise ConfigurationError(
            f"{shown} holds no service",
            ["give it a function make_service() that returns a toolkit.Service"],
        )
    is_program = (folder / "__main__.py").is_file()
    return ServiceEntry(
        name=name_of(folder.name),
        target=f"{package}.service:{attribute}",
        folder=folder,
        found=str(shown),
        command=("python", "-m", package) if is_program else (),
    )


def _defined_in(module: Path) -> set[str]:
    """Its names, as far as they can be known without running it."""
    try:
        body = ast.parse(module.read_text()).body
    except (SyntaxError, ValueError):
        return set(MAKERS)  # it is being written; who runs it will be told what is wrong
    names = set[str]()
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
    return names
