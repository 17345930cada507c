"""Whose word counts for a message, and what was meant by a name."""

import pytest

from tests.unit.operations.market import Deliver, Sold, SoldHere, cart, in_memory, stall
from toolkit import Command, Event, Producer, Publishes, Service
from toolkit.messages.contract import contract_of
from toolkit.operations.catalogue import (
    AmbiguousMessageError,
    Catalogue,
    UnknownMessageError,
    owned_by,
)


@pytest.fixture(params=["stall first", "cart first"])
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    """Of two services, in either order."""
    services = [stall(), cart()]
    return Catalogue.of(services if request.param == "stall first" else reversed(services))


def test_an_event_is_as_its_publisher_says(catalogue: Catalogue) -> None:
    """Whoever listens has a copy."""
    entry = catalogue.find("stall.sold")
    assert (entry.contract.model, entry.owner) == (Sold, "stall")
    assert (entry.route.exchange, entry.route.expiration) == ("events", "5000")


def test_a_command_is_as_its_handler_says(catalogue: Catalogue) -> None:
    """Whoever sends it has a copy."""
    entry = catalogue.find("cart.deliver")
    assert (entry.contract.model, entry.owner) == (Deliver, "cart")
    assert entry.route.exchange == "commands"


def test_a_copy_counts_where_the_owner_is_not_here() -> None:
    """It is all there is."""
    entry = Catalogue.of([cart()]).find("stall.sold")
    assert (entry.contract.model, entry.owner) == (SoldHere, "cart")


def test_a_message_is_found_by_its_class(catalogue: Catalogue) -> None:
    """The owner's."""
    assert catalogue.find("Sold").contract.name == "stall.sold"


@pytest.mark.parametrize(
    ("typed", "meant"), [("stall.sald", "stall.sold"), ("Delivr", "Deliver"), ("cart", "cart.del")]
)
def test_a_name_that_is_nearly_right_gets_the_right_one(
    catalogue: Catalogue, typed: str, meant: str
) -> None:
    """Classes for a class, names on the wire for anything else."""
    with pytest.raises(UnknownMessageError, match=f"'{typed}'; did you mean {meant}"):
        catalogue.find(typed)


def test_a_name_that_is_like_no_other_gets_all_there_are(catalogue: Catalogue) -> None:
    """In order."""
    with pytest.raises(UnknownMessageError, match=r"known are: cart\.deliver, stall\.sold"):
        catalogue.find("zzz")


def test_where_there_is_no_message_that_is_said() -> None:
    """Instead of an empty list."""
    with pytest.raises(UnknownMessageError, match="no messages at all"):
        Catalogue.of([]).find("stall.sold")


def test_a_class_that_two_messages_have_is_not_guessed() -> None:
    """Publishing the wrong one couldn't be undone."""

    class Sold(Event, name="other.sold"):
        """Another one of this name."""

    class Other(Producer):
        """Who publishes it."""

        sold = Publishes(Sold)

    other = Service("other", producers=[Other], settings=in_memory())
    with pytest.raises(AmbiguousMessageError, match=r"'Sold' may be other\.sold or stall\.sold"):
        Catalogue.of([stall(), other]).find("Sold")


def test_commands_are_known_by_name(catalogue: Catalogue) -> None:
    """For those who want to listen to them."""
    assert catalogue.commands == ("cart.deliver",)


def test_a_service_owns_what_others_take_from_it() -> None:
    """Its events, and the commands that it handles."""
    assert owned_by(stall()) == (contract_of(Sold),)
    assert owned_by(cart()) == (contract_of(Deliver),)
    assert issubclass(owned_by(cart())[0].model, Command)
