"""A whole project, without services yet.

Receives a name, hands the files of a repository to `Changes`.
"""

from pathlib import Path

from toolkit.scaffold.changes import Changes
from toolkit.scaffold.errors import CannotWriteError, WrongNameError
from toolkit.scaffold.name import package_name
from toolkit.scaffold.template import filled
from toolkit.scaffold.vendor import DISTRIBUTION, installation

_FILES = (
    ".dockerignore",
    ".env.example",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "docker-compose.yml",
    "pyproject.toml",
    "services/__init__.py",
    "tests/__init__.py",
)


def new_project(typed: str, where: Path) -> Changes:
    """A folder of that name with all that services need.

    Raises WrongNameError, or CannotWriteError if there is something already.
    """
    name = package_name(typed, of="project")
    if name.kebab == DISTRIBUTION:
        raise WrongNameError(f"'{typed}' is what the toolkit itself is called: choose another name")
    root = where / name.kebab
    if root.is_file() or root.is_symlink() or (root.is_dir() and any(root.iterdir())):
        raise CannotWriteError([f"{root} is there already: move it away, or choose another name"])
    installed = installation()
    changes = Changes(root)
    for file in _FILES:
        text = filled(f"project/{file}", name=name, installed=installed)
        changes.create(file, text)
    if installed.wheel is not None:
        changes.create(installed.path, installed.wheel)
    return changes
