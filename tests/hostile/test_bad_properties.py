"""Properties that a library wouldn't write, and some that it would."""

import pytest

from tests.hostile.fields import long, properties
from tests.hostile.shop import DEAD, FAILING, GOOD, NAME, QUEUE, Shop, altered
from tests.hostile.waiting import eventually
from tests.hostile.wire import RefusedByBrokerError, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEPT = {
    "a long message id": properties(message_id=b"m" * 255),
    "a long correlation id": properties(correlation_id=b"c" * 255),
    "a correlation id that is no text": properties(correlation_id=b"\xff\xfe"),
    "an address to reply to": properties(reply_to=b"replies"),
    "an address that is no text": properties(reply_to=b"\xff\n\x00"),
    "an application that is no text": properties(app_id=b"\xff" * 255),
    "a cluster": properties(cluster_id=b"rabbit@elsewhere"),
    "the highest priority": properties(priority=255),
    "no time at all": properties(timestamp=0),
    "a time in milliseconds": properties(timestamp=1_700_000_000_123),
    "a time in microseconds": properties(timestamp=1_700_000_000_123_456),
    "the last time": properties(timestamp=2**64 - 1),
    "empty text everywhere": properties(
        type=b"",
        content_type=b"",
        content_encoding=b"",
        correlation_id=b"",
        reply_to=b"",
        app_id=b"",
    ),
    "everything at once": properties(
        content_type=b"application/json; charset=\xff",
        content_encoding=b"UTF-8",
        headers={b"\xff": long(b"\xff")},
        priority=9,
        correlation_id=b"\xff" * 255,
        reply_to=b"\xff" * 255,
        message_id=b"m" * 255,
        timestamp=2**63,
        type=b"orders.placed",
        app_id=b"\xff" * 255,
        cluster_id=b"\xff" * 255,
    ),
}


@pytest.mark.parametrize("given", KEPT.values(), ids=KEPT)
async def test_properties_are_in_the_dead_letter_as_they_came(
    shop: Shop, given: dict[str, bytes]
) -> None:
    """Byte for byte, after a single try."""
    shop.send(FAILING, given)
    dead = await shop.dead()
    assert (dead.text("dead-reason"), dead.body) == ("failed", FAILING)
    assert not altered(given, dead)
    await shop.goes_on()
    assert shop.take.tried.count(-1) == 1


@pytest.mark.parametrize("given", KEPT.values(), ids=KEPT)
async def test_properties_are_no_reason_not_to_handle(shop: Shop, given: dict[str, bytes]) -> None:
    """They are the sender's affair."""
    shop.send(GOOD, given)
    await shop.goes_on()
    assert shop.take.handled[0] == 1


@pytest.mark.parametrize("given", [GOOD, FAILING])
async def test_a_message_id_that_is_no_text_travels_as_a_header(shop: Shop, given: bytes) -> None:
    """No client could read the broker's answer to a copy under such an id."""
    shop.send(given, properties(message_id=b"\xff\xfe"))
    if given == FAILING:
        assert (await shop.dead()).headers[b"original-message-id"] == long(b"\xff\xfe")
    await shop.goes_on()
    assert len(shop.take.tried) == 2


@pytest.mark.parametrize("mode", [0, 3, 7, 255])
async def test_an_odd_delivery_mode_becomes_a_persistent_dead_letter(
    shop: Shop, besieged_url: str, mode: int
) -> None:
    """RabbitMQ 3 refuses such a message; RabbitMQ 4 takes it, and so do we."""
    with Wire.connected(besieged_url) as stranger:
        try:
            stranger.publish("events", NAME, properties(delivery_mode=mode), FAILING)
        except RefusedByBrokerError:
            pytest.skip("this broker refuses it")
    dead = await shop.dead()
    assert dead.properties["delivery_mode"] == b"\x02"
    await shop.goes_on()


async def test_a_transient_message_becomes_a_persistent_dead_letter(shop: Shop) -> None:
    """A dead letter is kept for somebody to look at, so it outlives the broker."""
    shop.send(FAILING, properties(delivery_mode=1))
    assert (await shop.dead()).properties["delivery_mode"] == b"\x02"


@pytest.mark.parametrize("expiration", [b"1000", b"4294967295"])
async def test_a_dead_letter_does_not_expire(shop: Shop, expiration: bytes) -> None:
    """The time to live travels as a header instead."""
    shop.send(FAILING, properties(expiration=expiration))
    dead = await shop.dead()
    assert "expiration" not in dead.properties
    assert dead.text("original-expiration") == expiration.decode()
    await shop.goes_on()


async def test_a_message_with_no_time_to_live_at_all_is_not_lost(shop: Shop) -> None:
    """With `0` it is for the broker to say whether the consumer was quick enough."""
    shop.send(GOOD, properties(expiration=b"0"))
    await eventually(lambda: shop.take.handled or shop.wire.get(DEAD))


async def test_a_dead_letter_is_not_published_in_somebody_elses_name(
    shop: Shop, besieged_url: str
) -> None:
    """The broker would refuse their `user_id` from us, so it travels as a header."""
    user = besieged_url.split("//")[1].split(":", maxsplit=1)[0]
    shop.send(FAILING, properties(user_id=user.encode()))
    dead = await shop.dead()
    assert "user_id" not in dead.properties
    assert dead.text("original-user-id") == user
    await shop.goes_on()


@pytest.mark.parametrize("key", [b"orders.\xff\xfe", b"orders." + b"k" * 248, b"orders.\x00\n"])
async def test_a_routing_key_of_any_bytes_is_survived(shop: Shop, key: bytes) -> None:
    """The dead letter names it; what isn't UTF-8 is escaped."""
    shop.send(FAILING, properties(type=b"orders.placed"), routing_key=key)
    dead = await shop.dead()
    assert dead.text("original-routing-key") == key.decode("utf-8", "backslashreplace")
    await shop.goes_on()


@pytest.mark.parametrize("queue", [DEAD, QUEUE, "shop.suspects"])
async def test_a_stranger_may_publish_straight_into_our_queues(shop: Shop, queue: str) -> None:
    """Nothing that lies there, whoever put it there, stops the service."""
    shop.wire.publish("", queue.encode(), properties(type=b"orders.placed"), GOOD)
    shop.forget()
    await shop.goes_on()
