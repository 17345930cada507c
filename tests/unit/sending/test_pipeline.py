"""The way out: every message is stamped, checked, and not done before it is confirmed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.orders import OrderCancelled, OrderPlaced, ShipOrder
from tests.unit.postbox import Postbox
from tests.unit.sending.pipelines import DEFAULT_TIMEOUT, pipeline
from toolkit import (
    ContractError,
    Event,
    MessageTooLargeError,
    Outgoing,
    RefusedError,
    Step,
    UnroutableError,
)
from toolkit.messages.contract import contract_of
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import SendOptions
from toolkit.observability.events import NobodyListens
from toolkit.observability.hooks import Hooks
from toolkit.sending.pipeline import Route

ORDER = OrderPlaced(order_id=1)


# ---------------------------------------------------------------------------------- the stamp


async def test_a_message_is_stamped_with_all_that_the_wire_format_asks_for() -> None:
    """Nothing is left to the library's defaults, which would make it transient."""
    postbox = Postbox()
    before = datetime.now(UTC)
    message_id = await pipeline(postbox).send(ORDER)
    envelope = postbox.only.envelope
    assert envelope.timestamp is not None
    assert envelope == Envelope(
        body=b'{"order_id":1,"note":""}',
        message_id=message_id,
        correlation_id=message_id,
        type="orders.placed",
        timestamp=envelope.timestamp,
        app_id="shop",
        content_type="application/json",
        delivery_mode=2,
        headers={"schema-version": 2},
    )
    assert isinstance(envelope.timestamp, datetime)
    assert before <= envelope.timestamp <= datetime.now(UTC)


async def test_every_message_has_an_id_of_its_own() -> None:
    """Unless the sender gives one."""
    postbox = Postbox()
    sending = pipeline(postbox)
    ids = [await sending.send(ORDER) for _ in range(100)]
    assert len(set(ids)) == 100
    assert await sending.send(ORDER, SendOptions(message_id="order-1")) == "order-1"
    assert postbox.taken[-1].envelope.message_id == "order-1"


async def test_what_was_said_about_one_message_is_on_it() -> None:
    """Each option, where AMQP has its place."""
    postbox = Postbox()
    options = SendOptions(
        message_id="m",
        correlation_id="c",
        causation_id="b",
        headers={"colour": "red"},
        priority=7,
        ttl=timedelta(seconds=1.5),
        timeout=timedelta(seconds=2),
    )
    await pipeline(postbox).send(ORDER, options)
    envelope = postbox.only.envelope
    assert (envelope.message_id, envelope.correlation_id) == ("m", "c")
    assert envelope.headers == {"schema-version": 2, "causation-id": "b", "colour": "red"}
    assert (envelope.priority, envelope.expiration) == (7, "1500")
    assert postbox.timeouts == [timedelta(seconds=2)]


async def test_a_declaration_gives_the_defaults_and_a_message_its_own() -> None:
    """Zero is a priority like any other."""
    postbox = Postbox()
    sending = pipeline(postbox)
    sending.declare(Route.of(contract_of(OrderPlaced), priority=5, ttl=timedelta(seconds=9)))
    await sending.send(ORDER)
    await sending.send(ORDER, SendOptions(priority=0, ttl=timedelta(seconds=1)))
    said = [(envelope.priority, envelope.expiration) for envelope in postbox.envelopes]
    assert said == [(5, "9000"), (0, "1000")]
    assert postbox.timeouts == [DEFAULT_TIMEOUT] * 2


async def test_an_id_that_was_not_utf_8_can_be_passed_on() -> None:
    """A story that a stranger began under such an id goes on under it."""
    postbox = Postbox()
    correlation_id = b"caf\xe9".decode("utf-8", "surrogateescape")
    await pipeline(postbox).send(ORDER, SendOptions(correlation_id=correlation_id))
    assert postbox.only.envelope.correlation_id == correlation_id


# ---------------------------------------------------------------------------------- the route


@pytest.mark.parametrize(
    ("message", "exchange", "key", "is_required"),
    [
        (ORDER, "events", "orders.placed", False),
        (ShipOrder(order_id=1), "commands", "shipping.ship-order", True),
    ],
)
async def test_the_kind_of_a_message_decides_where_it_goes(
    message: Any, exchange: str, key: str, *, is_required: bool
) -> None:
    """Events to whoever listens, commands to the one service that must be there."""
    postbox = Postbox()
    await pipeline(postbox).send(message)
    publication = postbox.only
    assert (publication.exchange, publication.routing_key) == (exchange, key)
    assert publication.is_required is is_required


async def test_an_event_that_nobody_listens_to_is_told_once_for_its_type() -> None:
    """It is legitimate; a thousand of them are no thousand warnings."""
    told: list[NobodyListens] = []
    hooks = Hooks()
    hooks.add(told.append, NobodyListens)
    postbox = Postbox()
    postbox.fail("orders.placed")
    postbox.fail("orders.cancelled")
    sending = pipeline(postbox, hooks=hooks)
    for message in (ORDER, ORDER, OrderCancelled(order_id=1), ORDER):
        assert await sending.send(message)
    assert [event.type for event in told] == ["orders.placed", "orders.cancelled"]


async def test_a_command_that_nobody_takes_is_an_error() -> None:
    """Somebody has to do it; the error names exchange and key."""
    postbox = Postbox()
    postbox.fail("shipping.ship-order")
    with pytest.raises(UnroutableError, match=r"exchange 'commands'.*'shipping\.ship-order'"):
        await pipeline(postbox).send(ShipOrder(order_id=1))


async def test_an_event_that_is_required_is_an_error_when_nobody_listens() -> None:
    """Where its declaration says so."""
    postbox = Postbox()
    postbox.fail("orders.placed")
    sending = pipeline(postbox)
    sending.declare(Route.of(contract_of(OrderPlaced), is_required=True))
    with pytest.raises(UnroutableError):
        await sending.send(ORDER)


async def test_what_the_broker_refuses_is_an_error_for_every_message() -> None:
    """Only a missing subscriber is legitimate."""
    postbox = Postbox()
    postbox.fail("orders.placed", RefusedError)
    with pytest.raises(RefusedError):
        await pipeline(postbox).send(ORDER)


async def test_a_message_is_not_sent_before_it_is_confirmed() -> None:
    """Whoever awaits it waits for the broker."""
    postbox = Postbox()
    postbox.close()
    sending = asyncio.create_task(pipeline(postbox).send(ORDER))
    await postbox.until_taken(1)
    assert not sending.done()
    postbox.open()
    assert await sending == postbox.only.envelope.message_id


# ---------------------------------------------------------------------------------- checks


class Nameless(Event):
    """No contract."""


@pytest.mark.parametrize("message", ["text", {"order_id": 1}, None, OrderPlaced])
def test_what_is_no_message_is_refused(message: Any) -> None:
    """Before anything is stamped."""
    with pytest.raises(ContractError, match="is not a message"):
        pipeline(Postbox()).prepare(message)


def test_a_message_without_a_name_is_refused() -> None:
    """The error says how to name it."""
    with pytest.raises(ContractError, match="Nameless has no name"):
        pipeline(Postbox()).prepare(Nameless())


BAD_OPTIONS: dict[str, Callable[[], SendOptions]] = {
    "message_id has more than 255 bytes": lambda: SendOptions(message_id="ü" * 128),
    "correlation_id has more than 255 bytes": lambda: SendOptions(correlation_id="x" * 256),
    "correlation_id": lambda: SendOptions(correlation_id="\ud800"),
    "priority 256 is not": lambda: SendOptions(priority=256),
    "priority -1 is not": lambda: SendOptions(priority=-1),
    "call it 'colour'": lambda: SendOptions(headers={"x-colour": "red"}),
    "header '' must be named": lambda: SendOptions(headers={"": "red"}),
    "255 bytes": lambda: SendOptions(headers={"ü" * 128: "red"}),
    "when": lambda: SendOptions(headers={"when": object()}),
    "number": lambda: SendOptions(headers={"number": 2**63}),
    "text": lambda: SendOptions(headers={"text": ["\ud800"]}),
    "header 5 must be named": lambda: SendOptions(headers={5: "red"}),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("said", "options"), BAD_OPTIONS.items())
async def test_an_option_that_amqp_has_no_room_for_is_refused(
    said: str, options: Callable[[], SendOptions]
) -> None:
    """As a `ContractError` that names it, and nothing is sent."""
    postbox = Postbox()
    with pytest.raises(ContractError, match=said):
        await pipeline(postbox).send(ORDER, options())
    assert not postbox.taken


async def test_a_body_over_the_limit_is_refused_before_it_is_sent() -> None:
    """One byte under it is not."""
    postbox = Postbox()
    size = len(b'{"order_id":1,"note":""}')
    await pipeline(postbox, max_body=size).send(ORDER)
    with pytest.raises(MessageTooLargeError, match=f"{size} bytes is over TOOLKIT_MAX_BODY"):
        await pipeline(postbox, max_body=size - 1).send(ORDER)
    assert len(postbox.taken) == 1


# ---------------------------------------------------------------------------------- middleware


async def test_middleware_sees_a_message_on_its_way_and_may_add_to_it() -> None:
    """Message and envelope, stamped, before they are published."""

    async def paint(outgoing: Outgoing, proceed: Step[Outgoing]) -> None:
        assert outgoing.message is ORDER
        outgoing.publication.envelope.headers["colour"] = "red"
        await proceed(outgoing)

    postbox = Postbox()
    await pipeline(postbox, middlewares=[paint]).send(ORDER)
    assert postbox.only.envelope.headers["colour"] == "red"


async def test_middleware_hears_of_the_confirmation() -> None:
    """When the next step returns the message is safe, and what it raises passes through."""
    seen: list[object] = []

    async def watch(outgoing: Outgoing, proceed: Step[Outgoing]) -> None:
        try:
            await proceed(outgoing)
        except RefusedError as error:
            seen.append(type(error))
            raise
        seen.append(postbox.confirmed)

    postbox = Postbox()
    sending = pipeline(postbox, middlewares=[watch])
    await sending.send(ORDER)
    postbox.fail("orders.placed", RefusedError)
    with pytest.raises(RefusedError):
        await sending.send(ORDER)
    assert seen == [1, RefusedError]
