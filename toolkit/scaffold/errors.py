"""Why something can't be made.

Receives what was asked for, hands sentences and exit codes to the command line.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigurationError, ToolkitError


class WrongNameError(ToolkitError):
    """What was typed can't be what it should be: a name, or a field."""

    exit_code = 2


class CannotWriteError(ToolkitError):
    """Something is in the way. Nothing has been written."""

    exit_code = 73  # sysexits.h: EX_CANTCREAT

    def __init__(self, problems: Iterable[str]) -> None:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"nothing was written:{lines}")


class UneditableError(ConfigurationError):
    """A file is not of the shape that can be added to."""

    def __init__(self, path: Path, problem: str, todo: str) -> None:
        super().__init__(f"{path} can't be added to", [problem, todo])


class MissingToolError(ConfigurationError):
    """A package of the extra `tools` is not installed."""

    def __init__(self, module: str) -> None:
        super().__init__(
            f"this needs the package {module.partition('.')[0]}",
            ["run: pip install 'rabbit-toolkit[tools]'"],
        )


def tool(module: str) -> Any:
    """A module of the extra `tools`. Raises MissingToolError."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingToolError(module) from error
