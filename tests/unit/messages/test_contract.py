"""A contract has a kind, a name and a version, and says what is wrong when it has not."""

from typing import Any

import pytest
from pydantic import Field, ValidationError

from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from toolkit import Command, ContractError, Event, Message
from toolkit.messages.contract import Contract, contract_of

NO_NAMES = [
    "",
    "Orders.Placed",
    "orders..placed",
    ".placed",
    "placed.",
    "orders placed",
    "orders/placed",
    "orders.*",
    "orders.#",
    "bestellung.ändern",
    "orders.placed\n",
    "a" * 128,
]


@pytest.mark.parametrize(
    ("model", "kind", "name", "version"),
    [
        (OrderPlaced, "event", "orders.placed", 2),
        (OrderCancelled, "event", "orders.cancelled", 1),
        (ShipOrder, "command", "shipping.ship-order", 1),
    ],
)
def test_a_class_statement_is_the_whole_contract(
    model: type[Message], kind: Any, name: str, version: int
) -> None:
    """Kind, name and version stand in the first line of a class; the version is 1 unless set."""
    assert contract_of(model) == Contract(kind=kind, name=name, version=version, model=model)


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_could_not_be_a_routing_key_is_refused(name: str) -> None:
    """The error names the class, repeats the name and shows one that would do."""
    with pytest.raises(ContractError) as caught:
        type("Mistaken", (Event,), {}, name=name)
    assert "Mistaken" in str(caught.value)
    assert f"'{name}'" in str(caught.value)
    assert "'orders.placed'" in str(caught.value)


@pytest.mark.parametrize("name", ["a", "a.b.c", "ship-order", "ship_order", "v2.orders", "a" * 127])
def test_words_of_lower_case_joined_by_dots_are_a_name(name: str) -> None:
    """What can be a routing key, and leaves room for names that derive from it, is taken."""
    model = type("Fine", (Event,), {}, name=name)
    assert contract_of(model).name == name


@pytest.mark.parametrize("version", [0, -1])
def test_versions_begin_at_one(version: int) -> None:
    """The error names the class and the version."""
    with pytest.raises(ContractError, match=rf"TooEarly: version {version} must be 1 or more"):
        type("TooEarly", (Event,), {}, name="too.early", version=version)


def test_a_message_can_not_be_changed() -> None:
    """One handler can't alter what another sees."""
    order = OrderPlaced(order_id=1)
    with pytest.raises(ValidationError, match="frozen"):
        order.order_id = 2  # type: ignore[misc]


def test_fields_that_a_receiver_does_not_know_are_ignored() -> None:
    """A sender may add fields before its receivers know them."""
    order = OrderPlaced.model_validate({"order_id": 1, "colour": "red"})
    assert order == OrderPlaced(order_id=1)


class About(Event):
    """An abstract base: what several events have in common."""

    customer: str


class Registered(About, name="customers.registered"):
    """A contract with a base of its own."""


class Renamed(Registered):
    """A contract's subclass that has forgotten its name."""


def test_a_base_without_a_name_lends_its_fields() -> None:
    """Contracts can share fields through a base that is no contract itself."""
    assert contract_of(Registered).name == "customers.registered"
    assert set(Registered.model_fields) == {"customer"}


@pytest.mark.parametrize(("model", "base"), [(About, "Event"), (Renamed, "Registered")])
def test_a_name_is_not_inherited(model: type[Message], base: str) -> None:
    """Two classes must not share a name by accident; the error shows the line to write."""
    with pytest.raises(ContractError) as caught:
        contract_of(model)
    assert f'`class {model.__name__}({base}, name="...")`' in str(caught.value)


def test_a_message_that_is_neither_event_nor_command_is_refused() -> None:
    """The base class of both is nothing to derive from; the error says from what to derive."""
    with pytest.raises(ContractError, match=r"Neither.*Event.*Command"):
        type("Neither", (Message,), {}, name="neither.nor")


class Renaming(Command, name="orders.rename", version=3):
    """A contract whose fields are called otherwise on the wire."""

    order_id: int = Field(alias="orderId")


def test_the_schema_tells_other_teams_what_the_body_looks_like() -> None:
    """It is identified by name and version, and calls fields as the wire does."""
    schema = contract_of(Renaming).schema()
    assert schema["$id"] == "orders.rename.v3"
    assert schema["properties"] == {"orderId": {"title": "Orderid", "type": "integer"}}
    assert schema["required"] == ["orderId"]
