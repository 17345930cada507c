"""What a process exits with, seen from outside: real processes, and no broker.

All of them are started at once, because each spends its time importing.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from toolkit import (
    AccessRefusedError,
    BrokerUnreachableError,
    ConfigurationError,
    SettingsError,
    TopologyError,
    TransportError,
)
from toolkit.errors import Difference
from toolkit.service.runner import exit_code_of

pytestmark = pytest.mark.xdist_group("runner")  # each command runs once, so all in one worker

REPOSITORY = Path(__file__).parents[3]

MODULES = {
    "shop.py": """
from toolkit import Consumer, Context, Event, Service

class OrderPlaced(Event, name="orders.placed"): ...

class Ship(Consumer[OrderPlaced]):
    async def handle(self, message: OrderPlaced, context: Context) -> None: ...

service = Service("shop", consumers=[Ship()])
""",
}

UNREACHABLE = {
    "TOOLKIT_AMQP_URL": "amqp://ada:hunter2@127.0.0.1:1/shop",
    "TOOLKIT_CONNECT_TIMEOUT": "300ms",
}

COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "unreachable": (["run", "shop:service"], UNREACHABLE),
    "unreachable for workers": (["run", "shop:service", "--workers", "2"], UNREACHABLE),
    "another's child": (["run", "shop:service"], UNREACHABLE | {"TOOLKIT_SUPERVISOR_PIPE": "87"}),
    "silent": (["run", "shop:service"], {"TOOLKIT_CONNECT_TIMEOUT": "300ms"}),
    "bad settings": (["run", "shop:service"], {"TOOLKIT_LOG_LEVEL": "loud"}),
    "no module": (["run", "nowhere:service"], {}),
    "no target": (["run"], {}),
}


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    said: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Every command, run to its end."""
    directory = tmp_path_factory.mktemp("shop")
    for name, source in MODULES.items():
        (directory / name).write_text(source)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent = {"TOOLKIT_AMQP_URL": f"amqp://ada:hunter2@127.0.0.1:{server.getsockname()[1]}/"}
        running = {
            name: stack.enter_context(_start(arguments, silent | variables, directory))
            for name, (arguments, variables) in COMMANDS.items()
        }
        yield {name: _end(process) for name, process in running.items()}


def _start(
    arguments: list[str], variables: dict[str, str], directory: Path
) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOOLKIT_")}
    return subprocess.Popen(
        [sys.executable, "-m", "toolkit", *arguments],
        cwd=directory,
        env={**clean, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _end(process: subprocess.Popen[str]) -> Ended:
    try:
        said, _ = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return Ended(process.returncode, said)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("unreachable", 69, "127.0.0.1:1"),
        ("unreachable for workers", 69, "127.0.0.1:1"),
        ("another's child", 69, "127.0.0.1:1"),
        ("silent", 69, "TOOLKIT_AMQP_URL"),
        ("bad settings", 78, "TOOLKIT_LOG_LEVEL"),
        ("no module", 78, "there is no module 'nowhere'"),
        ("no target", 2, "Missing argument"),
    ],
)
def test_a_process_says_why_it_ends_and_exits_with_the_code_for_it(
    ended: dict[str, Ended], command: str, code: int, said: str
) -> None:
    """So that whoever started it knows whether another try could help."""
    assert said in " ".join(ended[command].said.split())
    assert ended[command].code == code


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_person_can_mend_is_a_sentence_without_a_password(
    ended: dict[str, Ended], command: str
) -> None:
    """No traceback, and nothing that must not be in a log."""
    assert "Traceback" not in ended[command].said
    assert "hunter2" not in ended[command].said


DIFFERENCE = Difference("queue", "q", "x-max-length", 5, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("s", ["p"]), 78),
        (SettingsError("s", ["p"]), 78),
        (TopologyError("s", ["p"], differences=[DIFFERENCE]), 78),
        (TopologyError("s", ["p"], differences=[DIFFERENCE], refusals=["r"]), 78),
        (TopologyError("s", ["p"], refusals=["r"]), 77),
        (AccessRefusedError("no"), 77),
        (BrokerUnreachableError("no"), 69),
        (TransportError("no"), 1),
        (ValueError("no"), 1),
    ],
)
def test_errors_have_the_exit_codes_of_sysexits(error: Exception, code: int) -> None:
    """78 for configuration, 77 for permission, 69 for an unavailable broker, 1 for the rest."""
    assert exit_code_of(error) == code
