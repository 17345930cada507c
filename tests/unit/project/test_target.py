"""`module:service` is found, or the error says what is missing."""

import sys
from pathlib import Path

import pytest

from toolkit import ConfigurationError, Service
from toolkit.project import load

SHOP = """
from toolkit import Service
service = Service("shop")

class Shops:
    north = Service("north")

def make():
    return Service("made")

def make_for(region):
    return Service(region)

def fail():
    raise LookupError("no such region")

nothing = None
number = 5
"""


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `shop_under_test` in the working directory, which isn't on the path yet."""
    package = tmp_path / "shop_under_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "orders.py").write_text(SHOP)
    (package / "hungry.py").write_text("import nothing_of_that_name")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://localhost/")
    for name in [name for name in sys.modules if name.startswith("shop_under_test")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("path", "name"), [("service", "shop"), ("Shops.north", "north"), ("make", "made")]
)
def test_a_service_or_a_function_that_returns_one_is_found(path: str, name: str) -> None:
    """In the working directory, too, and inside of other things."""
    service = load(f"shop_under_test.orders:{path}")
    assert isinstance(service, Service)
    assert service.name == name


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "write MODULE:NAME"),
        (":", "write MODULE:NAME"),
        ("shop_under_test.orders", "write MODULE:NAME"),
        ("shop_under_test.orders:", "write MODULE:NAME"),
        (":service", "write MODULE:NAME"),
        (".orders:service", "write MODULE:NAME"),
        ("..:service", "write MODULE:NAME"),
        ("shop_under_test..orders:service", "write MODULE:NAME"),
        ("shop_under_test/orders.py:service", "write MODULE:NAME"),
        ("nowhere:service", "there is no module 'nowhere'"),
        ("shop_under_test.nowhere:service", "there is no module 'shop_under_test.nowhere'"),
        ("shop_under_test.orders.service:x", "there is no module"),
        ("shop_under_test.orders:nowhere", "'nowhere' can't be found"),
        ("shop_under_test.orders:nowhere", "it has service$"),
        ("shop_under_test:nowhere", "it has no service at all"),
        ("shop_under_test.orders:Shops.south", "'Shops.south' can't be found"),
        ("shop_under_test.orders:Shops.", "can't be found"),
        ("shop_under_test.orders:nothing", "it is a NoneType"),
        ("shop_under_test.orders:number", "it is a int"),
        ("shop_under_test.orders:make_for", "can't be called without arguments"),
        ("shop_under_test.orders:Service", "can't be called without arguments"),
        ("shop_under_test.orders:Shops", "it is a Shops"),
    ],
)
def test_what_is_no_service_is_a_problem_of_the_configuration(target: str, said: str) -> None:
    """The sentence names what is wrong about the target."""
    with pytest.raises(ConfigurationError, match=said):
        load(target)


def test_a_module_that_misses_something_itself_is_shown_where() -> None:
    """It is there, so its own line is what helps, and none of Python's."""
    with pytest.raises(ConfigurationError, match="its own code fails") as caught:
        load("shop_under_test.hungry:service")
    said = str(caught.value)
    assert 'hungry.py", line 1' in said
    assert "No module named 'nothing_of_that_name'" in said
    assert "importlib" not in said


def test_an_error_of_a_function_is_shown_with_its_own_lines_only() -> None:
    """Not with those of whoever called it."""
    with pytest.raises(ConfigurationError, match="LookupError: no such region") as caught:
        load("shop_under_test.orders:fail")
    assert str(caught.value).count("File ") == 1
    assert isinstance(caught.value.__cause__, LookupError)
