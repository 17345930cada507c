"""Files that people name, and what is wrong with them.

Receives the system's errors, hands commands a sentence and an exit code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import ToolkitError


class CannotWriteError(ToolkitError):
    """A file can't be made or written."""

    exit_code = 73

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} can't be written: {error.strerror or error}")


class CannotReadError(ToolkitError):
    """A file can't be read."""

    exit_code = 65

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} can't be read: {error.strerror or error}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong inside is about this file. Raises `CannotWriteError`."""
    try:
        yield
    except OSError as error:
        raise CannotWriteError(path, error) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong inside is about this file. Raises `CannotReadError`."""
    try:
        yield
    except OSError as error:
        raise CannotReadError(path, error) from error
