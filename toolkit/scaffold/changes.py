"""All that one command would write: shown, or written as a whole.

Receives new files and new texts of old ones from whatever is made, hands them to the disk. Each
file is written beside its place and moved there, so whatever happens it is whole or not there.
"""

import os
import shutil
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from secrets import token_hex

from toolkit.scaffold.errors import CannotWriteError, UneditableError


@dataclass(frozen=True, slots=True)
class _Change:
    """What a file will hold; without `before` there is none yet."""

    after: bytes
    before: bytes | None = None


@dataclass(slots=True)
class _Done:
    """What has been done so far, in this order."""

    folders: list[Path] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    beside: dict[Path, Path] = field(default_factory=dict)
    """The file that waits beside each place."""


class Changes:
    """What becomes of the files under `root`. Paths are relative to it, and stay in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._changes: dict[Path, _Change] = {}

    def create(self, path: Path | str, content: str | bytes) -> None:
        """A file that isn't there yet."""
        self._changes[Path(path)] = _Change(_bytes(content))

    def edit(self, path: Path | str, text: str) -> None:
        """Another text for a file that is there; its line ends stay what they are."""
        path = Path(path)
        known = self._changes.get(path)
        before = known.before if known else (self.root / path).read_bytes()
        if before is not None and b"\r\n" in before:
            text = text.replace("\n", "\r\n")
        if _bytes(text) != before:
            self._changes[path] = _Change(_bytes(text), before)

    def text(self, path: Path | str) -> str:
        """What a file holds, or will hold. Raises UneditableError for what is no text."""
        path = Path(path)
        known = self._changes.get(path)
        try:
            content = known.after if known else (self.root / path).read_bytes()
            return content.decode().replace("\r\n", "\n")
        except (OSError, ValueError) as error:
            raise UneditableError(path, f"it can't be read: {error}", "put that right") from error

    def has(self, path: Path | str) -> bool:
        """Whether there is such a file, or will be."""
        return Path(path) in self._changes or (self.root / path).is_file()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is new or becomes another one."""
        return tuple(sorted(self._changes))

    def tree(self) -> str:
        """The files as a tree: `+` is new, `~` changes."""
        lines, shown = [f"{self.root.name}/"], set[Path]()
        for path in self.paths:
            for folder in reversed(path.parents[:-1]):
                if folder not in shown:
                    shown.add(folder)
                    lines.append(f"{_indent(folder)}  {folder.name}/")
            sign = "+" if self._changes[path].before is None else "~"
            lines.append(f"{_indent(path)}{sign} {path.name}")
        return "\n".join(lines)

    def diff(self) -> str:
        """What would change, as `diff -u` shows it."""
        return "".join(self._diff_of(path) for path in self.paths)

    def _diff_of(self, path: Path) -> str:
        change = self._changes[path]
        try:
            before, after = (change.before or b"").decode(), change.after.decode()
        except UnicodeDecodeError:
            return f"+++ {path} ({len(change.after):,} bytes)\n"
        lines = unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "/dev/null" if change.before is None else f"a/{path}",
            f"b/{path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def check(self) -> None:
        """Raises CannotWriteError with everything that can be known to be in the way."""
        problems = [p for path in self.paths if (p := self._problem(path))]
        if problems:
            raise CannotWriteError(dict.fromkeys(problems))  # one folder may stop many files

    def apply(self) -> None:
        """Writes all of it, or nothing.

        Raises CannotWriteError with everything that is in the way. A process that is killed on the
        way leaves some of the files, each of them whole, and maybe one called `.toolkit-…`.
        """
        self.check()
        done = _Done()
        try:
            for path in self.paths:
                self._write_beside(path, done)
            for path in self.paths:
                self._move(path, done)
        except OSError as error:
            self._undo(done)
            raise CannotWriteError([_reason(error)]) from error
        except BaseException:
            self._undo(done)
            raise

    def _problem(self, path: Path) -> str | None:
        """What can be known to be in the way before anything is written."""
        place, change = self.root / path, self._changes[path]
        if change.before is None:
            if os.path.lexists(place):
                return f"{path} is there already: move it away, or choose another name"
            return self._folder_problem(place)
        if not place.is_file() or place.read_bytes() != change.before:
            return f"{path} was changed by somebody else meanwhile: try again"
        if not os.access(place, os.W_OK):
            return f"{path} may not be changed: {_ALLOW}"
        return self._folder_problem(place)

    def _folder_problem(self, place: Path) -> str | None:
        folder = next(parent for parent in place.parents if os.path.lexists(parent))
        if not folder.is_dir():
            return f"{self._shown(folder)} is not a folder: move it away, or choose another name"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"the folder {self._shown(folder)} may not be written to: {_ALLOW}"
        return None

    def _shown(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path

    def _write_beside(self, path: Path, done: _Done) -> None:
        place = (self.root / path).resolve()
        self._make_folder(place.parent, done)
        beside = place.parent / f".toolkit-{token_hex(6)}"
        done.beside[path] = beside
        with beside.open("xb") as file:
            file.write(self._changes[path].after)
            file.flush()
            os.fsync(file.fileno())
        if self._changes[path].before is not None:
            shutil.copymode(place, beside)

    def _make_folder(self, folder: Path, done: _Done) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir()
            done.folders.append(parent)

    def _move(self, path: Path, done: _Done) -> None:
        place = (self.root / path).resolve()
        if self._changes[path].before is None and os.path.lexists(place):
            raise FileExistsError(17, "somebody else has just made it", str(place))
        done.beside[path].replace(place)
        done.written.append(path)

    def _undo(self, done: _Done) -> None:
        for path in reversed(done.written):
            place, before = (self.root / path).resolve(), self._changes[path].before
            if before is None:
                place.unlink(missing_ok=True)
            else:
                beside = done.beside[path]
                beside.write_bytes(before)
                shutil.copymode(place, beside)
                beside.replace(place)
        for beside in done.beside.values():
            beside.unlink(missing_ok=True)
        for folder in reversed(done.folders):
            folder.rmdir()


_ALLOW = "give yourself the right to (chmod u+w), or work in another folder"


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _indent(path: Path) -> str:
    return "  " * len(path.parts)


def _reason(error: OSError) -> str:
    return f"{error.filename2 or error.filename}: {error.strerror or error}"
