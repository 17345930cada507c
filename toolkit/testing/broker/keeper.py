"""The process that removes what we started: processes, containers, directories.

Receives, line by line from its owner's pipe, what to keep an eye on; removes all of it once the
pipe closes or the owner is gone. There is one way to end, so a kill -9 cleans up like a normal
exit. It is started by its path, in isolation, and so imports nothing of the toolkit.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, Self

Kind = Literal["process", "container", "directory"]

_WATCH_INTERVAL = 1.0
_PATIENCE = 60.0


class Keeper:
    """The owner's side: a context manager that holds things, and removes them at its end."""

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C in the terminal must not reach it before its work is done.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__)), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(_PATIENCE)

    def hold(self, kind: Kind, name: str | int) -> None:
        """Take charge of a process group, a container by name, or a directory by path."""
        self._tell("hold", kind, name)

    def release(self, kind: Kind, name: str | int) -> None:
        """Forget something that has ended by itself, before its number is somebody else's."""
        self._tell("release", kind, name)

    def _tell(self, verb: str, kind: Kind, name: str | int) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps([verb, kind, str(name)]).encode() + b"\n")
            self._process.stdin.flush()


def main() -> None:
    """Keep until the owner ends, then remove in reverse order."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    for kind, name in reversed(_held_until_the_end_of(owner=int(sys.argv[1]))):
        with contextlib.suppress(Exception):  # whatever goes wrong with one, the others must go
            _REMOVERS[kind](name)


def _held_until_the_end_of(*, owner: int) -> list[tuple[str, str]]:
    held: list[tuple[str, str]] = []
    unread = b""
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], _WATCH_INTERVAL)
        if not readable:
            # Forks of the owner may hold the pipe open; but all that was said is read first.
            if os.getppid() != owner:
                break
            continue
        chunk = os.read(sys.stdin.fileno(), 1 << 16)
        if not chunk:
            break
        *lines, unread = (unread + chunk).split(b"\n")
        for line in lines:
            verb, kind, name = json.loads(line)
            if verb == "hold":
                held.append((kind, name))
            elif (kind, name) in held:
                held.remove((kind, name))
    return held


def _kill_group(name: str) -> None:
    # What it would have saved is deleted next, so there is nothing to wait for.
    os.killpg(int(name), signal.SIGKILL)


def _remove_container(name: str) -> None:
    import docker  # noqa: PLC0415 (only here where there is a container, and slow to import)

    docker.from_env().containers.get(name).remove(force=True, v=True)


def _remove_directory(name: str) -> None:
    for _ in range(50):  # a killed process may still be writing its last file
        shutil.rmtree(name, ignore_errors=True)
        if not Path(name).exists():
            return
        select.select([], [], [], 0.1)


_REMOVERS = {
    "container": _remove_container,
    "directory": _remove_directory,
    "process": _kill_group,
}

if __name__ == "__main__":
    main()
