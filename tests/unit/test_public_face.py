"""What users import, and how the rooms behind it are kept."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import toolkit
import toolkit.errors

ROOT = Path(toolkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def imported_in(source: str) -> set[str]:
    """The names that a module's top level imports from the toolkit."""
    return {
        alias.asname or alias.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("toolkit")
        for alias in node.names
    }


def test_all_that_is_imported_for_users_is_public_and_nothing_else() -> None:
    """`__all__` is complete, sorted and without doubles."""
    assert toolkit.__all__ == sorted(set(toolkit.__all__))
    assert set(toolkit.__all__) == imported_in((ROOT / "face.py").read_text())


def test_every_error_that_users_may_want_to_catch_is_public() -> None:
    """Those that configuring, publishing and connecting raise."""
    raised = {
        kind.__name__
        for root in (
            toolkit.errors.ConfigurationError,
            toolkit.errors.PublishError,
        )
        for kind in (root, *root.__subclasses__())
        if kind.__module__ == toolkit.errors.__name__  # those of the commands are for people
    }
    assert raised <= set(toolkit.__all__)
    assert {"AccessRefusedError", "BrokerUnreachableError", "TransportError"} <= set(
        toolkit.__all__
    )


@pytest.mark.parametrize(
    "name",
    [info.name for info in pkgutil.walk_packages(toolkit.__path__, "toolkit.") if info.ispkg],
)
def test_a_room_that_lists_what_it_offers_lists_it_in_order(name: str) -> None:
    """Sorted, and each of it is there."""
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert offered == sorted(set(offered))
    assert all(hasattr(module, item) for item in offered)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    """In one sentence, to begin with."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    assert docstring.splitlines()[0].rstrip()


@pytest.mark.parametrize(
    "package",
    [path.parent for path in MODULES if path.name == "__init__.py" and path.parent != ROOT],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_room_introduces_each_of_its_files(package: Path) -> None:
    """In reading order, so that nobody has to guess where to begin."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    missing = {name for name in files if f"`{name}`" not in docstring}
    assert len(files) == 1 or not missing


def test_the_package_says_that_it_is_typed() -> None:
    """Else no type checker would look at it."""
    assert (ROOT / "py.typed").exists()
