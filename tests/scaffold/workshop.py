"""An empty folder in which `toolkit new` is used as a person would.

Receives a folder, hands tests what came of a command and what lies on the disk.
"""

import os
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from toolkit.cli.main import app

ROOT = Path(__file__).parents[2]
PLAIN = {"COLUMNS": "200", "NO_COLOR": "1"}
BARE = PLAIN | {"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere"}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Commands are run in `folder`, with the interpreter and the toolkit of this test."""

    folder: Path

    def module(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A program of its own, such as `mypy --strict`."""
        return self.python("-m", *words)

    def python(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The interpreter on a bare machine: no Docker, no RabbitMQ, no settings."""
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TOOLKIT_")}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=environment | BARE | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def toolkit(self, *words: str) -> Result:
        """`toolkit ...`, in this process."""
        with chdir(self.folder):
            return CliRunner().invoke(app, words, env=PLAIN)

    def new(self, *words: str) -> str:
        """`toolkit new ...`, which has to work. Returns what it printed."""
        done = self.toolkit("new", *words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def at(self, folder: str) -> "Workshop":
        """The same, in a folder of it."""
        return Workshop(self.folder / folder)

    def files(self) -> dict[str, bytes]:
        """All that lies here, caches apart."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
            if "cache" not in str(path)
        }
