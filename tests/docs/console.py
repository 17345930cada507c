"""A console as it is printed in a page: commands, what they answer, and where Ctrl-C is pressed.

Receives blocks from pages, runs them in a folder, and says what was answered otherwise. In what is
expected, "…" stands for anything within a line, and a line of nothing else for any lines.
"""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from tests.docs.page import ROOT

CTRL_C = "^C"
_PATIENCE = 60  # seconds until a command that never ends is killed, so that the suite goes on


@dataclass(frozen=True, slots=True)
class Typed:
    """One command and its answer."""

    command: str
    answer: str


def environment() -> dict[str, str]:
    """A reader's: nothing of ours but the toolkit, and a screen that is 80 columns wide."""
    return {
        "COLUMNS": "80",
        "HOME": os.environ.get("HOME", "/"),
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TERM": "dumb",
        "TOOLKIT_LOG_FORMAT": "pretty",
        "TYPER_USE_RICH": "0",
    }


def typed(console: str) -> list[Typed]:
    """The commands of a block. A command goes on in the next line after a backslash."""
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)
    return [Typed(command, answer) for command, answer in found]


def run(step: Typed, folder: Path) -> str:
    """What the command answers, on either stream. Ctrl-C is pressed once all before it is there."""
    before, to_interrupt, _ = step.answer.partition(f"{CTRL_C}\n")
    is_interrupted = False
    process = subprocess.Popen(
        ["sh", "-c", step.command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = Timer(_PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
    deadline.start()
    said = ""
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said += line
                if to_interrupt and not is_interrupted and is_answered(before, said):
                    is_interrupted = True
                    os.killpg(process.pid, signal.SIGINT)
        finally:
            deadline.cancel()
    if process.returncode and not is_interrupted:  # the shell itself ends by the signal too
        said += f"[exit code {process.returncode}]\n"
    return said


def is_answered(expected: str, said: str) -> bool:
    """Whether this is what was expected."""
    lines = [
        r"(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*")
        for line in expected.replace(f"{CTRL_C}\n", "").splitlines(keepends=True)
    ]
    return re.fullmatch("".join(lines), said) is not None
