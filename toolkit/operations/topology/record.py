"""Who changed what on a broker, and when: a line before, a line after.

Receives acts from what changes things, appends them to `.toolkit/audit.jsonl`.
"""

import getpass
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = Path(".toolkit", "audit.jsonl")
Record = Callable[..., None]
"""Writes an act down: what is done, and whatever there is to say about it."""


def recorder(root: Path, broker: str) -> Record:
    """One that writes below this folder. `broker` is an address without its password."""

    def record(act: str, **facts: Any) -> None:
        file = root / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        who = f"{_user()}@{socket.gethostname()}"
        line = {"at": datetime.now(UTC).isoformat(), "who": who, "broker": broker, "act": act}
        with file.open("a") as lines:
            lines.write(json.dumps(line | facts, default=str, ensure_ascii=False) + "\n")

    return record


def unrecorded(_: str, **__: Any) -> None:
    """For whoever changes nothing of anybody's."""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "?"  # a container may know no name for its user
