"""One more service in a project.

Receives a name, hands its package, its tests and its entry in docker-compose.yml to `Changes`.
"""

import os
from pathlib import Path

from toolkit.errors import ConfigurationError
from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.compose import FILE, ComposeFile
from toolkit.scaffold.errors import CannotWriteError
from toolkit.scaffold.name import PackageName, package_name
from toolkit.scaffold.shape import MODULES, package_of
from toolkit.scaffold.style import style_of
from toolkit.scaffold.template import code, filled

_ENVIRONMENT = Path(".env.example")
_TESTS = ("test_handle_request.py", "test_on_rabbitmq.py")


def new_service(project: Project, typed: str) -> Changes:
    """A service of the usual shape, which handles one event and announces another.

    Raises WrongNameError, ConfigurationError for a name that is taken, CannotWriteError.
    """
    name = package_name(typed, of="service")
    _refuse_taken(project, name)
    package = package_of(project.folder / name.snake, project.root)
    folder = Path(*package.split("."))
    style = style_of(project.root)
    changes = Changes(project.root)
    for module in ("__init__", *MODULES):
        text = code(f"service/{module}.py", style, name=name, package=package)
        changes.create(folder / f"{module}.py", text)
    changes.create(folder / "README.md", filled("service/README.md", name=name))
    for test in _TESTS:
        text = code(f"service/{test}", style, name=name, package=package)
        changes.create(Path("tests") / name.snake / test, text)
    if changes.has(FILE):
        _add_to_compose(changes, name)
    return changes


def _refuse_taken(project: Project, name: PackageName) -> None:
    for entry in project.services:
        if entry.name == name.kebab:
            raise ConfigurationError(
                f"there is a service '{name.kebab}' already: {entry.found}",
                ["choose another name, or add to it: toolkit new consumer, event or producer"],
            )
    folder = project.folder / name.snake
    if os.path.lexists(folder):
        raise CannotWriteError([f"{folder} is there already: move it away, or choose another name"])


def _add_to_compose(changes: Changes, name: PackageName) -> None:
    compose = ComposeFile(changes.text(FILE))
    compose.refuse_taken(name.kebab)
    compose.require_anchors("broker", "service")
    port = compose.free_port
    has_broker = "rabbitmq" in compose.services
    entry = filled("service/compose.yml", name=name, port=port, has_broker=has_broker)
    changes.edit(FILE, compose.with_service(name.kebab, entry))
    if changes.has(_ENVIRONMENT):
        changes.edit(_ENVIRONMENT, _with_port(changes.text(_ENVIRONMENT), name, port))


def _with_port(text: str, name: PackageName, port: int) -> str:
    """After the last of the ports."""
    lines = text.splitlines()
    ports = [i for i, line in enumerate(lines) if line.partition("=")[0].endswith("_PORT")]
    lines.insert(ports[-1] + 1 if ports else len(lines), f"{name.prefix}_HEALTH_PORT={port}")
    return "\n".join([*lines, ""])
