"""The samples have the shape of what `toolkit new` makes: either can be learnt from the other."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scaffold.workshop import ROOT
from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.service import new_service
from toolkit.scaffold.shape import MODULES

SAMPLES = ("orders", "notifications")
EACH = pytest.mark.parametrize("name", [*SAMPLES, "payments"])
MODULE_DOCSTRING = re.compile(r"[A-Z][^.]+\.\n\nReceives .+\.", re.DOTALL)


@pytest.fixture(scope="module")
def generated() -> Changes:
    """What `toolkit new service payments` would write into this repository."""
    return new_service(Project.find(ROOT), "payments")


@pytest.fixture
def read(generated: Changes, name: str) -> Any:
    """The text of a file of a service, sample or generated."""

    def text(file: str) -> str:
        return generated.text(Path("services") / name / file)

    return text


def defined(text: str) -> list[ast.stmt]:
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [s for s in ast.parse(text).body if isinstance(s, named)]


def signature(function: ast.stmt) -> str:
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    returned = ast.unparse(function.returns) if function.returns else ""
    return f"{function.name}({ast.unparse(function.args)}) -> {returned}"


def function_in(text: str, name: str) -> str:
    (found,) = (s for s in defined(text) if getattr(s, "name", "") == name)
    return signature(found)


@EACH
def test_a_service_has_these_files(read: Any, name: str) -> None:
    """A sample may have more; `__init__` names each of them, in reading order."""
    index = ast.get_docstring(ast.parse(read("__init__.py"))) or ""
    listed = re.findall(r"^([a-z_]+) +[a-z]", index, re.MULTILINE)
    order = [line for line in listed if line in MODULES]
    assert set(order) == set(MODULES)
    assert order.index("contracts") == 0
    assert order.index("service") == len(MODULES) - 1
    for module in MODULES:
        assert MODULE_DOCSTRING.match(ast.get_docstring(ast.parse(read(f"{module}.py"))) or "")
    if name in SAMPLES:
        own = {path.stem for path in (ROOT / "services" / name).glob("[!_]*.py")}
        assert own == set(listed)


@EACH
def test_its_settings_are_a_class_and_how_they_are_read(read: Any, name: str) -> None:
    text = read("settings.py")
    assert [getattr(s, "name", "") for s in defined(text)] == ["Settings", "read_settings"]
    assert function_in(text, "read_settings") == "read_settings() -> Settings"
    assert f'PREFIX = "{name.upper()}_"' in text


@EACH
def test_its_service_is_made_by_a_function_and_by_nothing_else(read: Any) -> None:
    """Importing it has no side effects."""
    text = read("service.py")
    wanted = "make_service(settings: Settings | None=None) -> Service"
    assert function_in(text, "make_service") == wanted
    documented = (ast.Expr, ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    assert all(isinstance(s, documented) for s in ast.parse(text).body)


@EACH
def test_its_producer_says_what_it_announces(read: Any) -> None:
    producer, *_ = defined(read("producer.py"))
    assert isinstance(producer, ast.ClassDef)
    assert producer.name.endswith("Events")
    assert [ast.unparse(base) for base in producer.bases] == ["Producer"]
    assert all(
        ast.unparse(line.value).startswith("Publishes(")
        for line in producer.body
        if isinstance(line, ast.Assign)
    )


@EACH
def test_its_consumers_are_classes_with_a_handler(read: Any) -> None:
    for consumer in defined(read("consumers.py")):
        assert isinstance(consumer, ast.ClassDef)
        (base,) = (ast.unparse(base) for base in consumer.bases)
        event = re.fullmatch(r"Consumer\[(\w+)\]", base)
        assert event is not None
        (handler,) = (s for s in consumer.body if getattr(s, "name", "") == "handle")
        wanted = f"handle(self, message: {event[1]}, context: Context) -> None"
        assert signature(handler) == wanted
        assert ast.get_docstring(consumer)


@EACH
def test_its_contracts_have_names_of_their_own_and_copies_an_owner(read: Any, name: str) -> None:
    text = read("contracts.py")
    events = [s for s in defined(text) if isinstance(s, ast.ClassDef) and s.keywords]
    assert len(events) >= 2
    for event in events:
        assert [keyword.arg for keyword in event.keywords] == ["name", "version"]
        assert ast.get_docstring(event)
    published = re.findall(r"Publishes\((\w+)\)", read("producer.py"))
    if name in SAMPLES:
        copies = [event for event in events if event.name not in published]
        assert all("Owned by" in (ast.get_docstring(event) or "") for event in copies)


@EACH
def test_its_readme_says_how_it_is_run(read: Any, name: str) -> None:
    text = read("README.md")
    assert text.startswith(f"# {name}\n\n")
    assert f"toolkit run {name}" in text
    for part in ("TOOLKIT_AMQP_URL", "| variable | default | |", "| event | owner |"):
        assert part in text
    assert "Imports are relative: the folder can become a repository of its own" in text


@pytest.mark.parametrize("name", SAMPLES)
def test_its_entry_in_the_compose_file_has_the_same_keys(generated: Changes, name: str) -> None:
    """With the same health check; a sample may have volumes, and more to wait for."""
    entries = yaml.safe_load(generated.text("docker-compose.yml"))["services"]
    new, sample = entries["payments"], entries[name]
    assert set(sample) - {"volumes"} == set(new)
    assert list(sample["healthcheck"]) == list(new["healthcheck"])
    assert sample["depends_on"].items() >= new["depends_on"].items()
    assert sample["ports"][0].startswith(f"127.0.0.1:${{{name.upper()}_")
    assert re.match(r"127\.0\.0\.1:\$\{PAYMENTS_HEALTH_PORT:-\d+\}:8080", new["ports"][0])


def test_only_the_new_lines_are_in_the_files_of_this_repository(generated: Changes) -> None:
    """docker-compose.yml and .env.example: nothing goes."""
    removed = [line for line in generated.diff().splitlines() if re.match(r"-[^-]", line)]
    assert removed == []
    assert "\n+PAYMENTS_HEALTH_PORT=" in generated.diff()
