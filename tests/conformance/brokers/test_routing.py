"""Which queues a message reaches, on every broker."""

import pytest

from tests.conformance.brokers.case import has
from tests.conformance.brokers.driver import RawBroker, RefusedCallError

TYPES = ("direct", "fanout", "topic", "headers")


async def classic(raw: RawBroker, *names: str) -> None:
    for name in names:
        await raw.queue(name, queue_type="classic")


async def test_a_direct_exchange_compares_keys(raw: RawBroker) -> None:
    """Wildcards mean nothing to it, and a second binding brings no second copy."""
    await raw.exchange("x", "direct")
    await classic(raw, "a", "b")
    await raw.bind("x", "a", "k")
    await raw.bind("x", "a", "k", {"other": 1})
    await raw.bind("x", "b", "#")
    assert await raw.publish("x", "k") == "confirmed"
    await has(raw, a=1, b=0)
    assert await raw.publish("x", "other") == "returned"


async def test_a_fanout_exchange_ignores_keys(raw: RawBroker) -> None:
    """Everything goes everywhere, once."""
    await raw.exchange("x", "fanout")
    await classic(raw, "a", "b")
    for key in ("", "k"):
        await raw.bind("x", "a", key)
    await raw.bind("x", "b", "never")
    await raw.publish("x", "any")
    await has(raw, a=1, b=1)


@pytest.mark.parametrize(
    ("arguments", "headers", "expected"),
    [
        ({}, {}, "confirmed"),
        ({"x-match": "any"}, {"a": 1}, "returned"),
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 0}, "confirmed"),
        ({"a": 1, "b": "x"}, {"a": 1}, "returned"),
        ({"x-match": "any", "a": 1, "b": "x"}, {"a": 1}, "confirmed"),
        ({"x-match": "any", "a": 1}, {"a": 2}, "returned"),
        ({"a": None}, {"a": "whatever"}, "confirmed"),
        ({"a": None}, {}, "returned"),
        ({"a": 1}, {"a": "1"}, "returned"),
        ({"a": 1}, {"a": True}, "returned"),
        ({"x-own": 1}, {}, "confirmed"),
        ({"x-match": "all-with-x", "x-own": 1}, {}, "returned"),
        ({"x-match": "all-with-x", "x-own": 1}, {"x-own": 1}, "confirmed"),
        ({"x-match": "any-with-x", "x-own": 1}, {"x-own": 1}, "confirmed"),
        ({"x-match": "any", "x-own": 1}, {"x-own": 1}, "returned"),
    ],
)
async def test_a_headers_exchange_compares_tables(
    raw: RawBroker, arguments: dict[str, object], headers: dict[str, object], expected: str
) -> None:
    """All or any, presence, types, and what begins with x-."""
    await raw.exchange("x", "headers")
    await classic(raw, "a")
    await raw.bind("x", "a", "", arguments)
    assert await raw.publish("x", "", headers=headers) == expected


async def test_numbers_of_two_kinds_are_the_same_to_old_brokers(raw: RawBroker) -> None:
    """Before 3.13 an integer is equal to a float; to none is it equal to a boolean."""
    await raw.exchange("x", "headers")
    await classic(raw, "a")
    await raw.bind("x", "a", "", {"n": 1})
    expected = "returned" if raw.version >= (3, 13) else "confirmed"
    assert await raw.publish("x", "", headers={"n": 1.0}) == expected
    assert await raw.publish("x", "", headers={"n": True}) == "returned"


async def test_exchanges_bound_to_exchanges_bring_one_copy(raw: RawBroker) -> None:
    """A diamond and a loop end in one message for each queue."""
    for name in ("top", "left", "right", "bottom"):
        await raw.exchange(name, "fanout")
    await classic(raw, "a")
    for source, destination in (
        ("top", "left"),
        ("top", "right"),
        ("left", "bottom"),
        ("right", "bottom"),
        ("bottom", "top"),
    ):
        await raw.bind_exchange(source, destination)
    await raw.bind("bottom", "a")
    await raw.bind("right", "a")
    await raw.publish("top", "k")
    await has(raw, a=1)


async def test_an_alternate_exchange_takes_what_nobody_is_bound_for(raw: RawBroker) -> None:
    """Only where no binding matched: one that leads nowhere is a match all the same."""
    await raw.exchange("spare", "fanout")
    await raw.exchange("x", "direct", alternate_exchange="spare")
    await raw.exchange("void", "fanout")
    await classic(raw, "a", "rest")
    await raw.bind("x", "a", "k")
    await raw.bind("spare", "rest")
    await raw.bind_exchange("x", "void", "nowhere")
    assert await raw.publish("x", "k") == "confirmed"
    assert await raw.publish("x", "unknown") == "confirmed"
    assert await raw.publish("x", "nowhere") == "returned"
    await has(raw, a=1, rest=1)


async def test_alternates_are_followed_in_a_chain_and_may_be_missing(raw: RawBroker) -> None:
    """A second alternate takes what the first has no binding for."""
    await raw.exchange("last", "fanout")
    await raw.exchange("middle", "direct", alternate_exchange="last")
    await raw.exchange("x", "direct", alternate_exchange="middle")
    await raw.exchange("y", "direct", alternate_exchange="not there")
    await classic(raw, "a")
    await raw.bind("last", "a")
    assert await raw.publish("x", "k") == "confirmed"
    assert await raw.publish("y", "k") == "returned"
    await has(raw, a=1)


async def test_the_default_exchange_as_an_alternate_leads_nowhere_useful(raw: RawBroker) -> None:
    """It has no bindings that could be walked, so it finds no queue by its name."""
    await raw.exchange("x", "direct", alternate_exchange="")
    await classic(raw, "a")
    assert await raw.publish("x", "a") == "returned"


async def test_cc_and_bcc_route_too_and_only_cc_is_seen(raw: RawBroker) -> None:
    """A queue that several keys lead to has one copy."""
    await raw.exchange("x", "direct")
    await classic(raw, "a", "b", "c")
    for name in ("a", "b", "c"):
        await raw.bind("x", name, name)
    await raw.publish("x", "a", headers={"CC": ["b", "a"], "BCC": ["c"]})
    await has(raw, a=1, b=1, c=1)
    seen = await raw.get("c")
    assert seen is not None
    assert seen.headers == {"CC": ["b", "a"]}
    assert seen.routing_key == "a"


async def test_cc_has_to_be_a_list(raw: RawBroker) -> None:
    """Anything else closes the channel."""
    await classic(raw, "a")
    with pytest.raises(RefusedCallError) as refused:
        await raw.publish("", "a", headers={"CC": "b"})
    assert refused.value.code == 406


async def test_unbinding_needs_the_same_key_and_arguments(raw: RawBroker) -> None:
    """Another one takes nothing away, and is no error."""
    await raw.exchange("x", "direct")
    await classic(raw, "a")
    await raw.bind("x", "a", "k", {"n": 1})
    await raw.unbind("x", "a", "k")
    assert await raw.publish("x", "k") == "confirmed"
    await raw.unbind("x", "a", "k", {"n": 1})
    assert await raw.publish("x", "k") == "returned"


async def test_bindings_go_with_their_queue(raw: RawBroker) -> None:
    """A new queue of the same name has none."""
    await raw.exchange("x", "fanout")
    await classic(raw, "a")
    await raw.bind("x", "a")
    await raw.delete_queue("a")
    await classic(raw, "a")
    assert await raw.publish("x", "") == "returned"


async def test_bindings_go_with_their_exchange(raw: RawBroker) -> None:
    """On either side of it."""
    await raw.exchange("x", "fanout")
    await raw.exchange("y", "fanout")
    await classic(raw, "a")
    await raw.bind_exchange("x", "y")
    await raw.bind("y", "a")
    await raw.delete_exchange("y")
    await raw.exchange("y", "fanout")
    assert await raw.publish("x", "") == "returned"
    assert await raw.publish("y", "") == "returned"
