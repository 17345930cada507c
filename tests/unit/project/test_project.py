"""Services are found by where they lie, or because pyproject.toml says so."""

from pathlib import Path

import pytest

from toolkit import ConfigurationError
from toolkit.project import NoProjectError, Project, UnknownServiceError

MAKES_ONE = "def make_service():\n    ...\n"


def write(root: Path, **files: str) -> None:
    """Files by path, with `__` for each slash."""
    for path, text in files.items():
        file = root / f"{path.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with two services, of which one is a program by itself."""
    write(tmp_path, services__orders__service=MAKES_ONE, services__orders__main="")
    (tmp_path / "services/orders/main.py").rename(tmp_path / "services/orders/__main__.py")
    write(tmp_path, services__order_items__service="service = object()\n")
    write(tmp_path, services__nothing__here="", services__stray=MAKES_ONE)
    return tmp_path


def test_services_are_packages_with_a_service_in_them(root: Path) -> None:
    """Found from anywhere below, in the order of their names."""
    project = Project.find(root / "services" / "nothing")
    assert project.root == root
    assert [(entry.name, entry.target) for entry in project.services] == [
        ("order-items", "services.order_items.service:service"),
        ("orders", "services.orders.service:make_service"),
    ]


def test_a_package_that_is_a_program_is_started_as_one(root: Path) -> None:
    """Otherwise it is `toolkit run`."""
    items, orders = Project.find(root).services
    assert orders.process[1:] == ("-m", "services.orders")
    assert items.process[1:] == ("-m", "toolkit", "run", items.target)


@pytest.mark.parametrize("name", ["order-items", "order_items"])
def test_a_service_may_be_called_as_its_package(root: Path, name: str) -> None:
    """Underscores are for Python, dashes for queues."""
    assert Project.find(root).service(name).name == "order-items"


def test_a_module_that_is_being_written_still_counts(root: Path) -> None:
    """Who runs it is told what is wrong with it."""
    write(root, services__orders__service="def make_serv(")
    assert Project.find(root).service("orders").target == "services.orders.service:make_service"


def test_pyproject_names_services_elsewhere(root: Path) -> None:
    """With what starts them, and the folder that belongs to them; it comes before what is found."""
    (root / "pyproject.toml").write_text(
        '[tool.toolkit.service.billing]\ntarget = "money.app:make"\n'
        'command = ["python", "-m", "money"]\n'
        '[tool.toolkit.service.orders]\ntarget = "shop.orders:service"\nfolder = "shop/src"\n'
    )
    project = Project.find(root)
    assert [entry.name for entry in project.services] == ["billing", "order-items", "orders"]
    billing, orders = project.service("billing"), project.service("orders")
    assert billing.process[1:] == ("-m", "money")
    assert billing.folder == root / "money"
    assert orders.target == "shop.orders:service"
    assert orders.folder == root / "shop/src"


def test_pyproject_says_where_services_are(tmp_path: Path) -> None:
    """If not in `services`."""
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit]\nservices = "src/parts"\n')
    write(tmp_path, src__parts__orders__service=MAKES_ONE)
    assert (
        Project.find(tmp_path).service("orders").target == "src.parts.orders.service:make_service"
    )


def test_a_project_may_be_empty(tmp_path: Path) -> None:
    """It has said that it is one."""
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n")
    assert Project.find(tmp_path).services == ()


def test_where_there_is_none_it_says_how_to_begin(tmp_path: Path) -> None:
    """Somebody else's pyproject.toml doesn't count."""
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    with pytest.raises(NoProjectError, match="toolkit new project NAME"):
        Project.find(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("order", "did you mean orders\\?"),
        ("zebra", "it has order-items, orders"),
        ("../x", "it has"),
    ],
)
def test_an_unknown_service_is_told_what_there_is(root: Path, name: str, said: str) -> None:
    """The nearest first."""
    with pytest.raises(UnknownServiceError, match=said):
        Project.find(root).chosen(["orders", name])


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[tool.toolkit]\nservice = 3\n", "tool.toolkit.service"),
        ("[tool.toolkit]\nservises = 'x'\n", "tool.toolkit.servises"),
        ("[tool.toolkit.service.x]\n", "tool.toolkit.service.x.target"),
        ("[tool.toolkit.service.x]\ntarget = 'no colon'\n", "tool.toolkit.service.x.target"),
        ("[tool.toolkit\n", "can't be read"),
    ],
)
def test_what_pyproject_says_wrongly_is_named(tmp_path: Path, toml: str, said: str) -> None:
    """By its path in the file."""
    (tmp_path / "pyproject.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=said):
        Project.find(tmp_path)


def test_a_service_module_without_a_service_is_named(root: Path) -> None:
    """With what it should have."""
    write(root, services__orders__service="x = 1\n")
    with pytest.raises(ConfigurationError, match=r"services/orders/service.py holds no service"):
        Project.find(root)
