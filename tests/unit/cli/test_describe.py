"""`toolkit describe`: what it prints, where it writes, and how it ends."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from toolkit.cli.main import app

SERVICE = """
from toolkit import Event, Producer, Publishes, Service

print("a line that isn't asked for")

class Sold(Event, name="{name}.sold"):
    number: int

class Events(Producer):
    sold = Publishes(Sold)

def make_service():
    return Service("{name}", producers=[Events])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with two services, and a module beside it that is broken."""
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit]\nservices = "market"\n')
    for name in ("cart", "stall"):
        package = tmp_path / "market" / name
        package.mkdir(parents=True)
        (package / "service.py").write_text(SERVICE.format(name=name))
    (tmp_path / "broken.py").write_text("def make():\n    return {}['nothing']\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://ada:hunter2@localhost/")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("market", "broken")]:
        del sys.modules[name]


def describe(*words: str) -> Result:
    return CliRunner().invoke(app, ["describe", *words], env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_all_services_are_described_unless_some_are_named() -> None:
    """By their names."""
    assert list(json.loads(describe("--json").stdout)["services"]) == [
        "cart",
        "stall",
    ]
    named = describe("cart", "--json")
    assert list(json.loads(named.stdout)["services"]) == ["cart"]


def test_what_a_service_prints_while_it_is_imported_is_not_output() -> None:
    """It would spoil the JSON."""
    result = describe("--json")
    assert "isn't asked for" in result.stderr
    assert result.stdout.startswith("{")


def test_tables_are_what_a_person_gets() -> None:
    """Plain ones where nobody looks on; no address is in them."""
    result = describe("stall")
    assert result.exit_code == 0
    assert "stall publishes\n  message " in result.stdout
    assert "  topic exchange  events" in result.stdout
    assert "hunter2" not in result.output


def test_mermaid_goes_to_standard_output() -> None:
    """As it is."""
    assert describe("--mermaid").stdout.startswith("flowchart LR\n")


def test_a_picture_goes_to_a_file_or_to_standard_output(folder: Path) -> None:
    """The same one."""
    result = describe("--svg", "services.svg")
    assert (result.exit_code, result.stdout) == (0, "")
    text = (folder / "services.svg").read_text()
    assert text == describe("--svg", "-").stdout
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_schemas_are_written_and_then_as_the_code_says(folder: Path) -> None:
    """Each file that was written is named."""
    wanted = ("stall", "--schemas", "schemas")
    assert describe(*wanted).stdout == "schemas/stall.sold.v1.json\n"
    assert describe(*wanted, "--check").exit_code == 0


def test_a_schema_that_differs_is_named_with_what_to_do(folder: Path) -> None:
    """And left as it is."""
    (folder / "stall.sold.v1.json").write_text("{}")
    result = describe("stall", "--schemas", ".", "--check")
    assert result.exit_code == 1
    assert "stall.sold.v1.json is not what the code says" in result.stderr
    assert "with: toolkit describe stall --schemas ." in result.stderr
    assert (folder / "stall.sold.v1.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--json --mermaid", 2, "one of --json, --mermaid, --svg and --schemas at a time"),
        ("--svg - --schemas .", 2, "one of --json, --mermaid, --svg and --schemas at a time"),
        ("--check", 2, "--check goes with --schemas"),
        ("stal", 78, "did you mean stall? it has cart, stall"),
        ("nothing:here", 78, "there is no module 'nothing'"),
        ("broken:make", 78, "KeyError: 'nothing'"),
        ("--svg missing/services.svg", 73, "missing/services.svg can't be written"),
        ("--schemas pyproject.toml", 73, "pyproject.toml can't be written"),
    ],
)
def test_what_can_not_be_done_is_said(words: str, code: int, said: str) -> None:
    """With an exit code that tells whose fault it is."""
    result = describe(*words.split())
    assert said in " ".join(result.output.split())
    assert result.exit_code == code


def test_a_broken_module_shows_the_lines_that_are_the_user_s() -> None:
    """And none of ours."""
    said = describe("broken:make").stderr
    assert "return {}['nothing']" in said
    assert "toolkit/project" not in said


def test_settings_that_can_not_be_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the password."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "http://ada:hunter2@localhost/")
    result = describe()
    assert (result.exit_code, "TOOLKIT_AMQP_URL" in result.stderr) == (78, True)
    assert "hunter2" not in result.output


def test_outside_of_a_project_a_service_must_be_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As module and name."""
    monkeypatch.chdir(folder.parent)
    assert describe().exit_code == 78
    assert "there is no project" in describe().stderr
    assert "write MODULE:NAME" in describe("stall").stderr


def test_a_project_without_services_says_how_to_make_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of printing nothing."""
    empty = folder / "empty"
    empty.mkdir()
    (empty / "pyproject.toml").write_text("[tool.toolkit]\n")
    monkeypatch.chdir(empty)
    assert describe().exit_code == 78
    assert "toolkit new service NAME" in describe().stderr
