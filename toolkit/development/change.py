"""Whose code a file is.

Receives the paths that were saved, hands the session the services that have to be restarted.
"""

from collections.abc import Iterable
from pathlib import Path

from toolkit.project import Project, ServiceEntry
from toolkit.project.settings import FILE

_OF_ALL = (FILE, ".env")
_CODE = frozenset({".py", ".toml", ".json", ".txt", ".html", ".yaml", ".yml"})
_NOT_CODE = frozenset({"__pycache__", ".git", ".venv", ".toolkit", "node_modules", "tests"})


def is_code(path: Path, root: Path) -> bool:
    """Whether a service may have read this file when it started."""
    inside = path.relative_to(root)
    if inside.name in _OF_ALL:
        return len(inside.parts) == 1
    return inside.suffix in _CODE and not _NOT_CODE.intersection(inside.parts)


def may_hold_code(path: Path, root: Path) -> bool:
    """Whether it is a folder to look into: what is in a new one may not be told of by the system,
    which has to begin watching it first.
    """
    return path.is_dir() and not _NOT_CODE.intersection(path.relative_to(root).parts)


def concerned(paths: Iterable[Path], project: Project) -> frozenset[str]:
    """The services, by name. A file that belongs to none of them may matter to each."""
    names = set[str]()
    for path in paths:
        owners = [entry for entry in project.services if path.is_relative_to(entry.folder)]
        names |= {entry.name for entry in owners or project.services}
    return frozenset(names)


def watched(project: Project) -> tuple[Path, ...]:
    """The folders to keep an eye on: the project's own, which holds most of them, and any other."""
    elsewhere = {e.folder for e in project.services if not e.folder.is_relative_to(project.root)}
    return (project.root, *sorted(elsewhere))


def described(paths: Iterable[Path], entry: ServiceEntry, root: Path) -> str:
    """What changed, for people: its own files, or else whatever it was."""
    paths = sorted(paths)
    own = [path for path in paths if path.is_relative_to(entry.folder)] or paths
    shown = [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in own]
    return shown[0] if len(shown) == 1 else f"{shown[0]} and {len(shown) - 1} more"
