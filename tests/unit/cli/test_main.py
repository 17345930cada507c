"""The command line: what it refuses, and with which code. Processes are in service/test_runner."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolkit.cli.main import COMMANDS, app

WRONG = """
from toolkit import Service
service = Service("Wrong Name")
"""


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with a module that can't work."""
    (tmp_path / "wrong_shop.py").write_text(WRONG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://ada:hunter2@localhost/")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Usage"),
        (["run"], 2, "Missing argument"),
        (["run", "shop:service", "--workers", "0"], 2, "--workers"),
        (["run", "shop:service", "--workers", "many"], 2, "--workers"),
        (["walk"], 2, "walk"),
        (["--help"], 0, "run"),
        (["run", "--help"], 0, "69 no broker, 77 refused by the broker, 78 configuration"),
        (["run", "shop"], 78, "write MODULE:NAME"),
        (["run", "wrong_shop:service"], 78, "'Wrong Name' is no name for a service"),
        (["run", "wrong_shop:nothing"], 78, "'Wrong Name' is no name for a service"),
    ],
)
def test_a_command_that_can_not_be_carried_out_says_why(
    arguments: list[str], code: int, said: str
) -> None:
    """Usage is 2, a service that can't work is 78."""
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert said in " ".join(result.output.split())
    assert result.exit_code == code


def test_workers_can_not_share_a_broker_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would talk to itself."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "memory://")
    result = CliRunner().invoke(app, ["run", "shop:service", "--workers", "2"])
    assert result.exit_code == 78
    assert "it lives in one process" in result.output


def test_bad_settings_end_all_workers_before_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once, and not by each of them; without the password."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "http://ada:hunter2@localhost/")
    result = CliRunner().invoke(app, ["run", "shop:service", "--workers", "2"])
    assert result.exit_code == 78
    assert result.output.count("TOOLKIT_AMQP_URL") == 1
    assert "hunter2" not in result.output


def test_help_imports_nothing_that_a_command_needs() -> None:
    """So it is there at once: no client, no models, no templates, no eye on files."""
    code = (
        "import sys\n"
        "from toolkit.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aio_pika', 'aiormq', 'pydantic', 'structlog', 'jinja2', 'yaml', 'watchfiles',"
        " 'uvicorn', 'rich.console', 'asyncio'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """Of its own, or in each of its own commands; the overview knows it by one sentence."""
    helped = CliRunner().invoke(app, [name, "--help"])
    assert helped.exit_code == 0
    assert "Usage: " in helped.output
    if "Commands:" not in helped.output:
        assert f"  toolkit {name}" in helped.output
    assert COMMANDS[name].endswith(".")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("r", "run"), ("run ord", "orders"), ("dev not", "notifications"), ("run --wor", "--workers")],
)
def test_a_shell_completes_commands_options_and_services(typed: str, offered: str) -> None:
    """Services by the project around the current folder."""
    words = f"toolkit {typed}"
    asked = {
        "_TOOLKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    said = subprocess.run(
        [sys.executable, "-c", "from toolkit.cli import main; main()"],
        capture_output=True,
        text=True,
        env=os.environ | asked,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert offered in said.stdout.split()
