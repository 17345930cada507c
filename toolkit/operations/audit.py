"""Who did what, when and how many: a log that is only ever added to.

Receives an act before anything is changed and what it came to, hands two lines of JSON to a file.
"""

import getpass
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from toolkit.errors import ToolkitError
from toolkit.messages.headers import format_moment
from toolkit.project import Project

VARIABLE = "TOOLKIT_AUDIT"
_FILE = Path(".toolkit", "audit.jsonl")


class AuditError(ToolkitError):
    """The log can't be written, so nothing is done."""

    exit_code = 73


Record = Callable[..., None]
"""Writes a step of an act down: what is done, its `stage`, and whatever there is to say of it."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One act's place in the log."""

    path: Path
    act: str
    run: str

    @classmethod
    def begin(cls, path: Path, act: str, what: Mapping[str, Any]) -> "Audit":
        """Writes what is about to be done. Raises `AuditError`: then it must not be done."""
        audit = cls(path, act, uuid4().hex[:12])
        audit.write("intent", what)
        return audit

    def end(self, result: Mapping[str, Any]) -> None:
        """Writes what it came to. Raises `AuditError`."""
        self.write("result", result)

    def write(self, kind: str, what: Mapping[str, Any]) -> None:
        """One line. Raises `AuditError`."""
        line = {
            "at": format_moment(datetime.now(UTC)),
            "who": who(),
            "act": self.act,
            "run": self.run,
            kind: what,
        }
        data = f"{json.dumps(line, ensure_ascii=True, default=str)}\n".encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, data)  # one write, so that two at once can't mix
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            done = "nothing was changed" if kind == "intent" else "the act itself is done"
            raise AuditError(
                f"the audit log {self.path} can't be written ({error.strerror}); {done}. "
                f"Name another file with --audit or {VARIABLE}"
            ) from error


def recorder(path: Path, broker: str) -> Record:
    """For acts of several steps, all of one run. `broker` is an address without its password."""
    run = uuid4().hex[:12]

    def record(act: str, *, stage: str = "begin", **facts: Any) -> None:
        kind = "intent" if stage == "begin" else "result"
        Audit(path, act, run).write(kind, {"broker": broker, "stage": stage, **facts})

    return record


def unrecorded(_: str, **__: Any) -> None:
    """For whoever changes nothing of anybody's."""


def who() -> str:
    """`user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def audit_file(project: Project | None, asked: Path | None) -> Path:
    """The one that was asked for, else the environment's, else the project's, else the user's."""
    if asked is not None:
        return asked
    if variable := os.environ.get(VARIABLE):
        return Path(variable)
    return state_folder(project) / _FILE.name


def state_folder(project: Project | None) -> Path:
    """Where what the commands remember is kept."""
    if project is not None:
        return project.root / _FILE.parent
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "toolkit"
