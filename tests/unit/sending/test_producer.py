"""Declared producers: what a class says it publishes is what it can publish."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from tests.unit.postbox import Postbox
from tests.unit.sending.pipelines import Shop
from toolkit import ContractError, Event, Producer, Publishes, Sends, UnroutableError
from toolkit.messages.contract import contract_of

ORDER = OrderPlaced(order_id=1)


class OrderEvents(Producer):
    """What the orders service announces."""

    placed = Publishes(OrderPlaced, required=True, ttl="1h", priority=3)
    cancelled = Publishes(OrderCancelled)


class Everything(OrderEvents):
    """The same and more."""

    ship = Sends(ShipOrder)


def test_a_class_lists_what_it_and_its_bases_declare() -> None:
    """So that a topology can be computed without a connection."""
    assert [declared.contract for declared in Everything.declared()] == [
        contract_of(OrderPlaced),
        contract_of(OrderCancelled),
        contract_of(ShipOrder),
    ]
    assert not list(Everything.problems())


async def test_an_outlet_publishes_with_the_options_of_its_declaration() -> None:
    """What holds for every message of a type is said once."""
    postbox = Postbox()
    await OrderEvents(Shop(postbox, OrderEvents)).placed(ORDER)
    assert postbox.only.is_required
    assert postbox.only.envelope.expiration == "3600000"
    assert postbox.only.envelope.priority == 3


async def test_an_outlet_takes_options_for_one_message() -> None:
    """Durations as people write them."""
    postbox = Postbox()
    message_id = await OrderEvents(Shop(postbox)).placed(
        ORDER,
        message_id="order-1",
        correlation_id="story-1",
        headers={"colour": "red"},
        priority=1,
        ttl="2s",
        timeout="3s",
    )
    envelope = postbox.only.envelope
    assert message_id == envelope.message_id == "order-1"
    assert (envelope.correlation_id, envelope.headers["colour"]) == ("story-1", "red")
    assert (envelope.priority, envelope.expiration) == (1, "2000")
    assert postbox.timeouts == [timedelta(seconds=3)]


@pytest.mark.parametrize("message", [OrderCancelled(order_id=1), "text", None])
async def test_an_outlet_refuses_a_message_of_another_type(message: Any) -> None:
    """The error names the producer, what it publishes here and what it was given."""
    postbox = Postbox()
    kind = type(message).__name__
    with pytest.raises(ContractError, match=f"OrderEvents publishes OrderPlaced here, not {kind}"):
        await OrderEvents(Shop(postbox)).placed(message)
    assert not postbox.taken


@pytest.mark.parametrize("options", [{"ttl": "soon"}, {"timeout": "-1s"}])
async def test_an_outlet_refuses_a_duration_that_is_none(options: dict[str, Any]) -> None:
    """Before anything is sent."""
    postbox = Postbox()
    with pytest.raises(ValueError, match="is not a duration"):
        await OrderEvents(Shop(postbox)).placed(ORDER, **options)
    assert not postbox.taken


async def test_a_command_must_find_its_service() -> None:
    """`Sends` is always required."""
    postbox = Postbox()
    postbox.fail("shipping.ship-order")
    with pytest.raises(UnroutableError):
        await Everything(Shop(postbox)).ship(ShipOrder(order_id=1))


class Nameless(Event):
    """No contract."""


class Mistaken(Producer):
    """As wrong as a producer can be."""

    command = Publishes(ShipOrder)  # type: ignore[type-var]
    event = Sends(OrderPlaced)  # type: ignore[type-var]
    text = Publishes("orders.placed")  # type: ignore[arg-type, var-annotated]
    instance = Publishes(ORDER)  # type: ignore[arg-type, var-annotated]
    nameless = Publishes(Nameless)
    hasty = Publishes(OrderPlaced, ttl="soon")
    loud = Publishes(OrderCancelled, priority=256)


def test_every_mistake_of_a_producer_is_listed_at_once() -> None:
    """One sentence each, that names the attribute and what to write instead."""
    problems = list(Mistaken.problems())
    said = {
        "Mistaken.command": "ShipOrder is a command; use Sends(...)",
        "Mistaken.event": "OrderPlaced is a event; use Publishes(...)",
        "Mistaken.text": "'orders.placed' is not a message class",
        "Mistaken.instance": "is not a message class",
        "Mistaken.nameless": "Nameless has no name",
        "Mistaken.hasty": "'soon' is not a duration",
        "Mistaken.loud": "priority 256 is not",
    }
    assert len(problems) == len(said)
    for problem, (attribute, sentence) in zip(problems, said.items(), strict=True):
        assert problem.startswith(f"{attribute}: ")
        assert sentence in problem
