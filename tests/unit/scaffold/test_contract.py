"""Contracts: found by name, and copied with all that they are made of."""

from pathlib import Path

import pytest

from toolkit.errors import ConfigurationError
from toolkit.project import Project
from toolkit.scaffold.contract import Known, UnknownEventError, copy_into, find, find_own, known_in
from toolkit.scaffold.errors import UneditableError
from toolkit.scaffold.python import Module
from toolkit.scaffold.style import Style

ROOT = Path(__file__).parents[3]
STYLE = Style(ROOT, width=100, own=frozenset({"services", "toolkit"}))

EMPTY = '"""What shipping listens to."""\n'

ORDERS = '''"""The contracts of orders."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pydantic
from pydantic import BaseModel, StringConstraints

from toolkit import Event

from .money import Money

# Three letters,
# in capitals.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
UNUSED = 1


class Line(BaseModel):
    product: "Product"
    price: Decimal


class Product(BaseModel):
    name: str


class Placed(Event, name="orders.placed", version=2):
    """Somebody has ordered something."""

    lines: tuple[Line, ...]
    currency: Currency = "EUR"


class Bare(Event, name="orders.bare"):
    at: pydantic.AwareDatetime


class Told(Event, name="orders.told"):
    """Told.

    At length.
    """

    text: str


class Paid(Event, name="orders.paid"):
    """Paid for."""

    amount: Money
'''


@pytest.fixture
def project() -> Project:
    """This repository: two services that know each other's events."""
    return Project.find(ROOT)


def copied(klass: str, into: str = EMPTY) -> str:
    """The contracts of shipping, once it has its copy."""
    source = Module(Path("services/orders/contracts.py"), ORDERS, STYLE)
    target = Module(Path("services/shipping/contracts.py"), into, STYLE)
    known = Known("orders", klass, klass.lower(), "Event", is_published=True)
    copy_into(target, known, source, STYLE)
    return target.text


def test_the_contracts_of_a_service_are_known_without_importing_it(project: Project) -> None:
    """Those that it publishes are its own."""
    known = known_in(project.service("notifications"), project.root)
    assert [(one.wire, one.klass, one.is_published) for one in known] == [
        ("orders.placed", "OrderPlaced", False),
        ("orders.cancelled", "OrderCancelled", False),
        ("customers.notified", "CustomerNotified", True),
    ]


@pytest.mark.parametrize("wanted", ["customers.notified", "CustomerNotified"])
def test_an_event_is_found_by_either_name(project: Project, wanted: str) -> None:
    """In the service itself first, as its own copy."""
    orders = project.service("orders")
    assert find(project, wanted, by=orders).service == "orders"


def test_an_event_of_others_is_that_of_its_owner(project: Project, tmp_path: Path) -> None:
    """And not somebody's copy of it."""
    stranger = Project(ROOT, ROOT / "services", project.services)
    entry = project.service("orders")
    nobody = type(entry)(name="new", target="x:y", folder=tmp_path, found="")
    assert find(stranger, "customers.notified", by=nobody).service == "notifications"
    assert find(stranger, "orders.placed", by=nobody).service == "orders"


def test_an_unknown_event_is_answered_with_the_nearest(project: Project) -> None:
    with pytest.raises(UnknownEventError, match=r"did you mean orders\.placed\?") as unknown:
        find(project, "order.placed", by=project.service("orders"))
    assert "customers.notified (CustomerNotified)" in str(unknown.value)
    with pytest.raises(UnknownEventError, match="the service 'orders' has"):
        find_own(project, "nothing", by=project.service("orders"))


def test_a_copy_brings_what_it_is_made_of_and_nothing_else() -> None:
    """Nested models, aliases with their comments, and imports; in the order of the original."""
    assert (
        copied("Placed")
        == '''"""What shipping listens to."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from toolkit import Event


# Three letters,
# in capitals.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Line(BaseModel):
    product: "Product"
    price: Decimal


class Product(BaseModel):
    name: str


class Placed(Event, name="orders.placed", version=2):
    """Somebody has ordered something. Owned by orders."""

    lines: tuple[Line, ...]
    currency: Currency = "EUR"
'''
    )


def test_a_copy_names_its_owner_whatever_its_docstring() -> None:
    """One that has none gets one."""
    assert '    """Owned by orders."""\n\n    at: pydantic.AwareDatetime' in copied("Bare")
    assert "import pydantic\n" in copied("Bare")
    told = '    """Told.\n\n    At length.\n\n    Owned by orders.\n    """\n\n    text: str'
    assert told in copied("Told")


def test_what_is_there_already_is_used() -> None:
    """A second copy needs the same models."""
    once = copied("Placed")
    line = "class Product(BaseModel):\n    name: str\n"
    alone = f"{EMPTY}\nfrom pydantic import BaseModel\n\n\n{line}"
    assert copied("Placed", into=alone).count("class Product") == 1
    assert once.count("class Product") == 1


def test_another_definition_of_the_same_name_is_not_overwritten() -> None:
    with pytest.raises(UneditableError, match="it has another Product already"):
        copied("Placed", into=f"{EMPTY}\n\nclass Product:\n    name: int\n")


def test_what_lies_in_another_module_of_that_service_can_not_be_copied() -> None:
    """Services never import one another."""
    with pytest.raises(UneditableError, match=r"Money in services/orders/contracts\.py comes from"):
        copied("Paid")


def test_the_samples_events_can_be_copied(project: Project) -> None:
    """As they are in this repository."""
    source = Module(
        Path("services/orders/contracts.py"),
        (ROOT / "services/orders/contracts.py").read_text(),
        STYLE,
    )
    target = Module(Path("services/shipping/contracts.py"), EMPTY, STYLE)
    owner = find(project, "orders.placed", by=project.service("orders"))
    copy_into(target, owner, source, STYLE)
    namespace: dict[str, object] = {"__name__": "services.shipping.contracts"}
    exec(compile(target.text, "contracts.py", "exec"), namespace)
    assert "OrderPlaced" in namespace
    assert '[a-zA-Z0-9])?"\nADDRESS = rf"' in target.text


def test_two_events_of_one_class_name_have_to_be_told_apart(tmp_path: Path) -> None:
    """By their names on the wire."""
    for service in ("a", "b"):
        folder = tmp_path / "services" / service
        folder.mkdir(parents=True)
        (folder / "service.py").write_text("def make_service(): ...\n")
        text = f'class Done(Event, name="{service}.done"): ...\n'
        (folder / "contracts.py").write_text(text)
    (tmp_path / "services" / "c").mkdir()
    (tmp_path / "services" / "c" / "service.py").write_text("def make_service(): ...\n")
    project = Project.find(tmp_path)
    with pytest.raises(ConfigurationError, match=r"a\.done of a, b\.done of b"):
        find(project, "Done", by=project.service("c"))
    assert find(project, "b.done", by=project.service("c")).service == "b"
