"""The ledger: a file for each process, a line for each fact, in the order of the facts.

Receives facts from the programs under fire, hands them to the bench while they come, and all of
them to the auditor. A line is one write to a file opened for appending, so that a SIGKILL leaves
whole lines; "confirmed" is written after the publish has returned and "handled" before the
handler returns, so that none makes a claim that isn't true.
"""

import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_VARIABLE = "LEDGER"


class Ledger:
    """What one process has to say."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, stage: str, message: str) -> None:
        """Note that a message has come to this stage; time is the machine's monotonic clock."""
        os.write(self._file, f"{stage} {message} {time.monotonic():.6f}\n".encode())


def own_ledger() -> Ledger:
    """The ledger that whoever started this process has named."""
    return Ledger(Path(os.environ[_VARIABLE]))


def ledger_variable(path: Path) -> dict[str, str]:
    """What to put into the environment of a process, so that it writes there."""
    return {_VARIABLE: str(path)}


class Handling(NamedTuple):
    """One time that a message was handled."""

    at: float
    message: str
    process: str


def kind_of(message: str) -> str:
    """Which of the two queues it is for: take or note."""
    return message.partition("-")[0]


@dataclass
class Facts:
    """All ledgers of one directory, read as they grow."""

    directory: Path
    sending: dict[str, float] = field(default_factory=dict)
    confirmed: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    unknown: dict[str, float] = field(default_factory=dict)
    begun: dict[str, list[Handling]] = field(default_factory=lambda: defaultdict(list))
    handled: dict[str, list[Handling]] = field(default_factory=lambda: defaultdict(list))
    handlings: list[Handling] = field(default_factory=list)
    _read: dict[Path, int] = field(default_factory=dict)

    def update(self) -> None:
        """Read what has been written since."""
        before = len(self.handlings)
        for path in self.directory.glob("*.ledger"):
            for stage, message, at in self._lines(path):
                self._note(stage, message, at, path.stem)
        if len(self.handlings) > before:
            self.handlings.sort()  # nearly sorted already

    def _note(self, stage: str, message: str, at: float, process: str) -> None:
        match stage:
            case "sending":
                self.sending[message] = at
            case "confirmed":
                self.confirmed[message] = at
            case "refused":
                self.refused[message] = at
            case "unknown":
                self.unknown[message] = at
            case "begun":
                self.begun[message].append(Handling(at, message, process))
            case "handled":
                handling = Handling(at, message, process)
                self.handled[message].append(handling)
                self.handlings.append(handling)

    def _lines(self, path: Path) -> Iterator[tuple[str, str, float]]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        for line in whole.decode().splitlines():
            stage, message, at = line.split(" ")
            yield stage, message, float(at)

    def flowing_after(self, moment: float, kind: str) -> float | None:
        """When a message of this kind was first both confirmed and handled after that moment."""
        later = self.handlings[bisect_left(self.handlings, Handling(moment, "", "")) :]
        both = [
            max(handling.at, confirmed)
            for handling in later
            if kind_of(handling.message) == kind
            and (confirmed := self.confirmed.get(handling.message, 0.0)) > moment
        ]
        return min(both, default=None)

    @property
    def outstanding(self) -> set[str]:
        """Being published, with an end that isn't known so far."""
        return (
            self.sending.keys() - self.confirmed.keys() - self.refused.keys() - self.unknown.keys()
        )

    @property
    def pending(self) -> set[str]:
        """Confirmed, and not handled so far."""
        return self.confirmed.keys() - self.handled.keys()
