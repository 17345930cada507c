"""Whose code a file is, and whether it is code."""

from pathlib import Path

import pytest

from toolkit.development.change import concerned, described, is_code, may_hold_code
from toolkit.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two services and something that both may use."""
    for name in ("orders", "depot"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "service.py").write_text("def make_service(): ...\n")
    return Project.find(tmp_path)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["services/orders/contracts.py"], {"orders"}),
        (["services/orders/letters/welcome.txt"], {"orders"}),
        (["services/orders/a.py", "services/depot/b.py"], {"orders", "depot"}),
        (["services/__init__.py"], {"orders", "depot"}),
        (["shared/money.py"], {"orders", "depot"}),
        ([".env"], {"orders", "depot"}),
    ],
)
def test_a_file_concerns_its_service_or_all(
    project: Project, paths: list[str], names: set[str]
) -> None:
    """What belongs to none may matter to each."""
    assert concerned([project.root / path for path in paths], project) == names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("services/orders/service.py", True),
        ("services/orders/templates/mail.txt", True),
        ("pyproject.toml", True),
        (".env", True),
        ("services/orders/.env", False),
        ("services/orders/__pycache__/service.cpython-313.pyc", False),
        ("services/orders/orders.db", False),
        ("tests/orders/test_orders.py", False),
        (".venv/lib/x.py", False),
        (".toolkit/dev.json", False),
    ],
)
def test_only_code_starts_a_service_again(project: Project, path: str, expected: object) -> None:
    """Not what it writes itself, nor its tests."""
    assert is_code(project.root / path, project.root) is expected


def test_a_change_is_told_by_its_first_own_file(project: Project) -> None:
    """And how many others there were."""
    orders = project.service("orders")
    paths = [project.root / "services/orders" / name for name in ("b.py", "a.py")]
    paths.append(project.root / "services/depot/service.py")
    assert described(paths, orders, project.root) == "services/orders/a.py and 1 more"
    assert described([project.root / ".env"], orders, project.root) == ".env"


def test_a_new_folder_is_looked_into(project: Project) -> None:
    """Its first files may have been there before the system began to tell of them."""
    for name, expected in (("services/new", True), ("__pycache__", False), (".venv/x", False)):
        folder = project.root / name
        folder.mkdir(parents=True)
        assert may_hold_code(folder, project.root) is expected
    assert not may_hold_code(project.root / "services/orders/service.py", project.root)
