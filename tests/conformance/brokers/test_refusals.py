"""What a broker refuses, with which code, and that the channel is lost by it."""

from typing import Any

import pytest

from tests.conformance.brokers.case import ack_again, has, hold, publish_all
from tests.conformance.brokers.driver import RawBroker, RefusedCallError


async def test_a_publish_to_a_missing_exchange_is_404(raw: RawBroker) -> None:
    """And closes the channel: what it held goes back."""
    await raw.queue("q", queue_type="classic")
    await publish_all(raw, "q", "a")
    await hold(raw, "q", 1)
    with pytest.raises(RefusedCallError, match="no exchange 'x'") as refused:
        await raw.publish("x", "k")
    assert refused.value.code == 404
    await has(raw, q=1)


@pytest.mark.parametrize("call", ["get", "consume", "count", "purge"])
async def test_calls_on_a_missing_queue_are_404(raw: RawBroker, call: str) -> None:
    """Whatever is asked of it."""
    with pytest.raises(RefusedCallError, match="no queue 'q'") as refused:
        await getattr(raw, call)("q")
    assert refused.value.code == 404


async def test_binding_what_is_missing_is_404(raw: RawBroker) -> None:
    """On both ends."""
    await raw.exchange("x", "fanout")
    await raw.queue("q", queue_type="classic")
    for source, queue in (("x", "none"), ("none", "q")):
        with pytest.raises(RefusedCallError) as refused:
            await raw.bind(source, queue)
        assert refused.value.code == 404


async def test_the_default_exchange_takes_no_bindings(raw: RawBroker) -> None:
    """403."""
    await raw.queue("q", queue_type="classic")
    with pytest.raises(RefusedCallError) as refused:
        await raw.bind("", "q", "k")
    assert refused.value.code == 403


@pytest.mark.parametrize(
    ("first", "second", "argument"),
    [
        ({"message_ttl": 1000}, {"message_ttl": 2000}, "x-message-ttl"),
        ({"message_ttl": 1000}, {}, "x-message-ttl"),
        ({}, {"max_length": 10}, "x-max-length"),
        ({"overflow": "drop-head"}, {"overflow": "reject-publish"}, "x-overflow"),
        ({"queue_type": "quorum"}, {"queue_type": "classic"}, "x-queue-type"),
        ({"queue_type": "quorum"}, {}, "x-queue-type"),
        (
            {"queue_type": "quorum", "delivery_limit": 5},
            {"queue_type": "quorum"},
            "x-delivery-limit",
        ),
        ({"dead_letter_exchange": ""}, {}, "x-dead-letter-exchange"),
        ({"single_active_consumer": True}, {}, "x-single-active-consumer"),
        ({"max_priority": 5}, {"max_priority": 6}, "x-max-priority"),
    ],
)
async def test_other_arguments_than_there_are_is_406(
    raw: RawBroker, first: dict[str, Any], second: dict[str, Any], argument: str
) -> None:
    """The sentence names the argument."""
    await raw.queue("q", **first)
    with pytest.raises(RefusedCallError, match=f"inequivalent arg '{argument}'") as refused:
        await raw.queue("q", **second)
    assert refused.value.code == 406


async def test_the_same_arguments_once_more_are_fine(raw: RawBroker) -> None:
    """Classic is what a queue is without a type, and unknown arguments aren't compared."""
    await raw.queue("q", max_length=10)
    await raw.queue("q", max_length=10, queue_type="classic")
    await raw.queue("q", max_length=10, unheard_of=1)


async def test_another_type_of_exchange_is_406(raw: RawBroker) -> None:
    """As is another alternate."""
    await raw.exchange("x", "fanout")
    with pytest.raises(RefusedCallError, match="inequivalent arg 'type'") as refused:
        await raw.exchange("x", "direct")
    assert refused.value.code == 406
    with pytest.raises(RefusedCallError, match="inequivalent arg 'alternate-exchange'"):
        await raw.exchange("x", "fanout", alternate_exchange="y")


@pytest.mark.parametrize(
    "arguments",
    [
        {"queue_type": "quorum", "max_priority": 5},
        {"queue_type": "unheard-of"},
        {"message_ttl": -1},
        {"message_ttl": "1000"},
        {"expires": 0},
        {"max_length": -1},
        {"max_priority": 256},
        {"overflow": "explode"},
        {"dead_letter_routing_key": "k"},
        {"queue_type": "quorum", "dead_letter_strategy": "sometimes"},
        {"dead_letter_strategy": "at-least-once"},
        {"delivery_limit": 5},
        {"single_active_consumer": 1},
    ],
)
async def test_arguments_that_make_no_sense_are_406(
    raw: RawBroker, arguments: dict[str, Any]
) -> None:
    """Values, types, and what the queue type doesn't know."""
    with pytest.raises(RefusedCallError) as refused:
        await raw.queue("q", **arguments)
    assert refused.value.code == 406


async def test_reserved_names_are_403(raw: RawBroker) -> None:
    """What begins with `amq.` is the broker's."""
    with pytest.raises(RefusedCallError) as refused:
        await raw.queue("amq.mine", queue_type="classic")
    assert refused.value.code == 403
    with pytest.raises(RefusedCallError) as refused:
        await raw.exchange("amq.mine", "fanout")
    assert refused.value.code == 403


async def test_settling_twice_closes_the_channel(raw: RawBroker) -> None:
    """What else it held goes back."""
    await raw.queue("q", queue_type="classic")
    await publish_all(raw, "q", "ab")
    first, _ = await hold(raw, "q", 2)
    await raw.ack(first.tag)
    with pytest.raises(RefusedCallError, match="unknown delivery tag"):
        await ack_again(raw, first)
    await has(raw, q=1)


async def test_an_internal_exchange_takes_no_publishes(raw: RawBroker) -> None:
    """403."""
    await raw.exchange("x", "fanout", is_internal=True)
    with pytest.raises(RefusedCallError) as refused:
        await raw.publish("x", "k")
    assert refused.value.code == 403


@pytest.mark.parametrize("expiration", ["soon", "-1", "1.5"])
async def test_an_expiration_that_is_no_number_is_406(raw: RawBroker, expiration: str) -> None:
    """Before it is routed."""
    await raw.queue("q", queue_type="classic")
    with pytest.raises(RefusedCallError) as refused:
        await raw.publish("", "q", expiration=expiration)
    assert refused.value.code == 406


async def test_somebody_elses_user_id_is_406(raw: RawBroker) -> None:
    """One's own is fine."""
    await raw.queue("q", queue_type="classic")
    assert await raw.publish("", "q", user_id=raw.user) == "confirmed"
    with pytest.raises(RefusedCallError) as refused:
        await raw.publish("", "q", user_id="somebody")
    assert refused.value.code == 406


async def test_a_consumer_is_told_when_its_queue_is_deleted(raw: RawBroker) -> None:
    """With `basic.cancel`; a channel stays open."""
    await raw.queue("q", queue_type="classic")
    inbox = await raw.consume("q")
    await raw.delete_queue("q")

    async def look() -> bool:
        return inbox.is_cancelled

    assert await raw.eventually(look, expected=True)
