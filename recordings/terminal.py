"""A terminal that a program may take for a person's.

Receives commands from the story, hands back all that they wrote, colours included.
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

COLUMNS = 112
_LINES = 50
_PATIENCE = 120.0  # seconds
_GLANCE = 0.05


class CommandFailedError(Exception):
    """A command of the story ended otherwise than it should, or never said what it should."""


class Running:
    """A command while it runs."""

    def __init__(
        self, command: str, process: "subprocess.Popen[bytes]", screen: int, home: Path
    ) -> None:
        self.command = command
        self._home = home
        self.process = process
        self._screen = screen
        self._output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._screen, 65_536)
            except OSError:  # how Linux says that nobody holds the other end any more
                return
            if not chunk:
                return
            self._output += chunk

    @property
    def text(self) -> str:
        """What it has shown so far, in a folder that anybody may have."""
        shown = self._output.decode(errors="replace").replace("\r\n", "\n").rstrip()
        return shown.replace(str(self._home), "~")

    def shows(self, text: str, times: int = 1) -> None:
        """Returns once it does."""
        self._until(lambda: self.text.count(text) >= times, f"never said {text!r}")

    def interrupt(self) -> None:
        """Ctrl-C, and the end that comes of it."""
        self.process.send_signal(signal.SIGINT)
        self.ended()

    def ended(self) -> int:
        """Its exit code."""
        self._until(lambda: self.process.poll() is not None, "does not end")
        self._reader.join(_PATIENCE)
        return self.process.returncode

    def _until(self, is_true: Callable[[], bool], failing: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not is_true():
            if time.monotonic() > deadline:
                raise CommandFailedError(f"{self.command!r} {failing}:\n{self.text}")
            time.sleep(_GLANCE)


class Terminal:
    """Somebody's terminal: a folder, an environment, and a clock for each command."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, home: Path) -> None:
        self.folder = folder
        self._home = home
        self._environment = {**environment, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}

    @contextmanager
    def running(self, command: str) -> Iterator[Running]:
        """The command until the block ends, which kills what hasn't ended by itself."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self._environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Running(command, process, ours, self._home)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(ours)

    def run(self, command: str, *, may_end_with: tuple[int, ...] = (0,)) -> Running:
        """The command to its end. Raises CommandFailedError for an exit code that is no good."""
        with self.running(command) as running:
            code = running.ended()
        if code not in may_end_with:
            raise CommandFailedError(f"{command!r} ended with {code}:\n{running.text}")
        return running
