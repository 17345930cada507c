"""Who is measured: a program for each contestant, and a process for each of its runs.

Receives tasks, hands answers back. Node.js and amqplib are taken where they are to be had.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.case import Case
from benchmarks.task import Action, Answer, Task
from toolkit import Settings

AMQPLIB = "2.3.1"
IN_MEMORY = "toolkit in memory"

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_MODULES = Path(sys.prefix) / "node" / "node_modules"  # within .venv: gone with it
_PATIENCE = 120.0  # seconds for one run

_EACH: frozenset[Action] = frozenset({"publish", "consume", "round_trip", "latency"})
_WITH_MANY: frozenset[Action] = _EACH.union(("many",))


class ContestantFailedError(Exception):
    """A contestant's process broke off, was silent, or left messages unacknowledged."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A program that takes tasks. `environment` is set in its process."""

    name: str
    command: tuple[str, ...]
    actions: frozenset[Action] = _EACH
    environment: Mapping[str, str] = field(default_factory=dict)
    is_scaled: bool = False
    is_in_memory: bool = False

    def takes(self, case: Case) -> bool:
        """Whether there is anything to measure. In memory there is but one size and type."""
        if self.is_in_memory and not case.is_quick:
            return False
        return case.action in self.actions and (self.is_scaled or not case.is_scaling)

    def run(self, tasks: Sequence[Task]) -> Answer:
        """Give each task to a process, all at once, and return what they did together.

        Raises `ContestantFailedError`.
        """
        processes = [self._start(task) for task in tasks]
        try:
            return together([self._answer(process) for process in processes])
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    def _start(self, task: Task) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, task.to_json()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, **self.environment},
        )

    def _answer(self, process: subprocess.Popen[str]) -> Answer:
        try:
            output, errors = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            raise ContestantFailedError(f"no answer within {_PATIENCE:.0f} s") from None
        if process.returncode or not output.strip():
            last = (errors.strip() or "no answer").splitlines()[-1]
            raise ContestantFailedError(f"exit {process.returncode}: {last}")
        try:
            return Answer.from_json(output.splitlines()[-1])
        except (ValueError, TypeError) as error:
            raise ContestantFailedError(f"its last line is no answer: {error}") from error


def together(answers: Sequence[Answer]) -> Answer:
    """What several processes did, from the first one's beginning to the last one's end."""
    return Answer(
        count=sum(answer.count for answer in answers),
        began=min(answer.began for answer in answers),
        ended=max(answer.ended for answer in answers),
        waits=[wait for answer in answers for wait in answer.waits],
        is_confirmed=all(answer.is_confirmed for answer in answers),
        version=answers[0].version,
        peak=max(answer.peak for answer in answers),
    )


def contestants(say: Callable[[str], None]) -> list[Contestant]:
    """All that can be had here; `say` gets a sentence for what can't."""
    return [
        *_toolkits(),
        _python("FastStream", "faststream"),
        _python("aio-pika", "aio_pika"),
        _python("rabbitkit", "rabbitkit", actions=_WITH_MANY),
        _python("pika", "pika"),
        *_on_node(say),
    ]


def _toolkits() -> list[Contestant]:
    names: dict[str, dict[str, str]] = {"toolkit": {}}
    if "lane" in Settings.model_fields:
        names = {f"toolkit, {lane} lane": {"TOOLKIT_LANE": lane} for lane in ("fast", "plain")}
    return [
        Contestant(
            name=name,
            command=_module("toolkit"),
            actions=_WITH_MANY,
            environment=environment,
            is_scaled=number == 0,
            is_in_memory=name == IN_MEMORY,
        )
        for number, (name, environment) in enumerate({**names, IN_MEMORY: {}}.items())
    ]


def _python(name: str, module: str, *, actions: frozenset[Action] = _EACH) -> Contestant:
    return Contestant(name=name, command=_module(module), actions=actions)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.contestants.{name}")


def _on_node(say: Callable[[str], None]) -> list[Contestant]:
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        say(f"amqplib is left out: there is no {' and no '.join(missing)} on the PATH.")
        return []
    if problem := _installed():
        say(f"amqplib is left out: {problem}")
        return []
    return [
        Contestant(
            name="amqplib",
            command=("node", str(_HERE / "contestants" / "amqplib.js")),
            actions=_WITH_MANY,
            environment={"NODE_PATH": str(_MODULES)},
        )
    ]


def _installed() -> str:
    """Install amqplib unless it is there in this version; why that failed, if it did."""
    manifest = _MODULES / "amqplib" / "package.json"
    if manifest.exists() and json.loads(manifest.read_text())["version"] == AMQPLIB:
        return ""
    options = ("--silent", "--no-audit", "--no-fund", "--prefix", str(_MODULES.parent))
    done = subprocess.run(
        ["npm", "install", *options, f"amqplib@{AMQPLIB}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"`npm install` failed ({done.stderr.strip()})." if done.returncode else ""
