"""What a run has sent, on disk, so that the next one doesn't send it again.

Receives digests of letters before they are published and once they are confirmed, hands a run that
comes after one that was cut off what those were.

For each batch the intent is written before anything is sent, and the confirms are on the disk
before anything is acked. So a letter that is still there although its confirm is written down only
needs its ack; one that was only meant to be sent may have arrived, and is counted.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from toolkit.errors import ToolkitError


class JournalError(ToolkitError):
    """It can't be written, so nothing is sent."""

    exit_code = 73


@dataclass(slots=True)
class Before:
    """What earlier runs came to, as far as it isn't certain that the broker knows."""

    confirmed: Counter[str] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)
    """The ids under which letters were sent."""
    queues: dict[str, str] = field(default_factory=dict)
    """Where the letters lay."""
    uncertain: Counter[str] = field(default_factory=Counter)
    """Sent, perhaps: no confirm was written down."""

    def lines(self, digest: str) -> Iterator[dict[str, str]]:
        """What has been written of a letter, as far as nothing came of it since."""
        queue, message_id = self.queues[digest], self.ids[digest]
        confirmed = self.confirmed[digest]
        for _ in range(confirmed + max(0, self.uncertain[digest])):
            yield {"sending": digest, "id": message_id, "queue": queue}
        for _ in range(confirmed):
            yield {"confirmed": digest}


class Journal:
    """The file of one run, locked for as long as it lasts."""

    def __init__(
        self, file: IO[str], path: Path, before: Before, older: list[IO[str]], broker: str
    ) -> None:
        self._broker = broker
        self._file = file
        self._path = path
        self._older = older
        self.before = before

    @classmethod
    @contextmanager
    def open(cls, folder: Path, act: str, broker: str) -> Iterator[Self]:
        """Files of runs that have ended are read; those of runs that go on are left alone.

        Raises `JournalError`.
        """
        path = folder / f"{act}-{uuid4().hex[:12]}.jsonl"
        older: list[IO[str]] = []
        with ExitStack() as stack:
            with _written(path):
                folder.mkdir(parents=True, exist_ok=True)
                for old in _ended(folder, act, broker):
                    older.append(stack.enter_context(old))
                file = stack.enter_context(path.open("x", encoding="utf-8"))
                fcntl.flock(file, fcntl.LOCK_EX)
            journal = cls(file, path, _before(older), older, broker)
            journal._write([{"broker": broker}])
            yield journal

    def intend(self, sending: Iterable[tuple[str, str, str]]) -> None:
        """Letters of these digests are about to be sent, under these ids, out of these queues."""
        self._write(
            [
                {"sending": digest, "id": message_id, "queue": queue}
                for digest, message_id, queue in sending
            ]
        )

    def confirm(self, digests: Iterable[str]) -> None:
        """The broker has these."""
        self._write([{"confirmed": digest} for digest in digests])

    def finish(self, *, looked_at: Container[str], still_there: Container[str]) -> None:
        """Every ack of this run has been told, so it needs no remembering. Of earlier runs only
        what this one didn't touch is kept: letters that are still there, and queues that it didn't
        look at. A letter that has gone is forgotten, because one like it may come again.
        """
        before = self.before
        kept = [
            line
            for digest, queue in before.queues.items()
            if digest in still_there or queue not in looked_at
            for line in before.lines(digest)
        ]
        if kept:
            with _written(self._path):
                self._file.truncate(0)
                self._file.seek(0)
            self._write([{"broker": self._broker}, *kept])
        for file in self._older if kept else (*self._older, self._file):
            Path(file.name).unlink(missing_ok=True)

    def _write(self, lines: Iterable[Mapping[str, str]]) -> None:
        with _written(self._path):
            self._file.write("".join(f"{json.dumps(line)}\n" for line in lines))
            self._file.flush()
            os.fsync(self._file.fileno())


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"the journal {path} can't be written: {error.strerror or error}; "
            "what is not acked is still where it was"
        ) from error


def _ended(folder: Path, act: str, broker: str) -> Iterator[IO[str]]:
    for path in sorted(folder.glob(f"{act}-*.jsonl")):
        file = path.open("r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()  # its run goes on
            continue
        if next(_lines(file), {}).get("broker") == broker:
            file.seek(0)
            yield file
        else:
            file.close()


def _before(files: Iterable[IO[str]]) -> Before:
    before = Before()
    for file in files:
        for line in _lines(file):
            if digest := line.get("sending"):
                before.uncertain[digest] += 1
                before.ids[digest] = line.get("id", "")
                before.queues[digest] = line.get("queue", "")
            elif digest := line.get("confirmed"):
                before.confirmed[digest] += 1
                before.uncertain[digest] -= 1
    return before


def _lines(file: IO[str]) -> Iterator[dict[str, str]]:
    """The last may have been cut off."""
    for line in file:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said
