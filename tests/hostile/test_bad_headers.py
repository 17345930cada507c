"""Headers of every type, of every size, and under our own names."""

import struct
from functools import reduce

import pytest

from tests.hostile.fields import Value, array, long, number, properties, table
from tests.hostile.shop import FAILING, GOOD, QUEUE, Shop, altered
from tests.hostile.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def nested(depth: int, inner: Value = b"V") -> Value:
    """A table in a table in a table."""
    return reduce(lambda value, _: table({b"k": value}), range(depth), inner)


VALUES = {
    "bool": b"t\x01",
    "int8": number(b"b", ">b", -5),
    "uint8": number(b"B", ">B", 200),
    "int16": number(b"s", ">h", 5),
    "uint16": number(b"u", ">H", 60_000),
    "int32": number(b"I", ">i", 5),
    "uint32": number(b"i", ">I", 4_000_000_000),
    "int64": number(b"l", ">q", 5),
    "the least int64": number(b"l", ">q", -(2**63)),
    "float": number(b"f", ">f", 1.5),
    "double": number(b"d", ">d", 3.141592653589793),
    "a double beyond floats": number(b"d", ">d", 1e300),
    "decimal": b"D" + struct.pack(">BI", 2, 1_999),
    "decimal, negative": b"D" + struct.pack(">Bi", 2, -1_999),
    "decimal, tiny": b"D" + struct.pack(">BI", 255, 1),
    "timestamp": number(b"T", ">Q", 1_700_000_000),
    "timestamp in milliseconds": number(b"T", ">Q", 1_700_000_000_123),
    "timestamp in nanoseconds": number(b"T", ">Q", 1_700_000_000_123_456_789),
    "the last timestamp": number(b"T", ">Q", 2**64 - 1),
    "void": b"V",
    "text": long("größe".encode()),
    "text that isn't UTF-8": long(b"\xff\xfe\x00"),
    "no text": long(b""),
    "bytes": b"x" + long(b"\xff\x00")[1:],
    "an empty table": table({}),
    "an empty array": array(),
    "an array of all sorts": array(
        b"V", long(b"x"), number(b"l", ">q", 5), table({b"k": b"t\x01"})
    ),
    "a table of all sorts": table({b"": b"V", b"\xff": array(array()), b"k": b"f" + bytes(4)}),
    "1,000 tables in one another": nested(1_000),
    "5,000 arrays in one another": reduce(lambda value, _: array(value), range(5_000), b"V"),
    "100,000 bytes": long(b"v" * 100_000),
}

NAMES = [b"", b"\xff\xfe", b"k" * 128, b"k" * 255, "größe".encode(), b"x-custom", b"raw"]

RUBBISH = {
    "text": long(b"rubbish"),
    "bytes": long(b"\xff\xfe"),
    "nothing": b"V",
    "a table": table({b"k": b"V"}),
    "an array": array(b"V"),
    "a negative number": number(b"l", ">q", -(2**63)),
    "the largest number": number(b"l", ">q", 2**63 - 1),
    "a float": number(b"d", ">d", 1e300),
    "a boolean": b"t\x01",
    "the end of time": long(b"9999-12-31T23:59:59.999999+00:00"),
    "before all time": long(b"0001-01-01T00:00:00+23:59"),
    "5,000 bytes": long(b"v" * 5_000),
}

OUR_NAMES = [
    "attempts", "retry-attempt", "retry-not-before", "first-failed-at", "schema-version",
    "causation-id", "traceparent", "dead-reason", "error-type", "error-message", "error-stack",
    "error-fingerprint", "failed-at", "failed-queue", "failed-consumer", "failed-service",
    "failed-host", "original-exchange", "original-routing-key", "original-expiration",
    "original-user-id", "original-message-id", "dropped-headers",
]  # fmt: skip

BROKERS_NAMES = [
    b"x-death", b"x-first-death-queue", b"x-first-death-reason", b"x-last-death-queue",
    b"x-delivery-count", b"x-acquired-count", b"x-opt-delivery-time",
]  # fmt: skip

FORGED = array(
    table(
        {
            b"queue": long(b"shop.take.dead"),
            b"reason": long(b"expired"),
            b"exchange": long(b""),
            b"count": number(b"l", ">q", 9),
            b"routing-keys": array(long(b"shop.take.dead")),
        }
    )
)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_a_header_of_any_type_is_in_the_dead_letter_as_it_came(
    shop: Shop, value: Value
) -> None:
    """Byte for byte, its type included: a consumer in Java tells a Long from a Byte."""
    given = properties(headers={b"before": b"V", b"theirs": value, b"after": b"V"})
    shop.send(FAILING, given)
    dead = await shop.dead()
    assert dead.text("dead-reason") == "failed"
    assert not altered(given, dead)
    await shop.goes_on()
    assert shop.take.tried.count(-1) == 1


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_a_header_of_any_type_is_no_reason_not_to_handle(shop: Shop, value: Value) -> None:
    """What a handler doesn't ask for can't hurt it."""
    shop.send(GOOD, properties(headers={b"theirs": value}))
    await shop.goes_on()
    assert shop.take.handled[0] == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_header_of_any_name_is_in_the_dead_letter_as_it_came(
    shop: Shop, name: bytes
) -> None:
    """Also one that isn't text, and one that is as long as AMQP allows."""
    given = properties(headers={name: long(b"theirs")})
    shop.send(FAILING, given)
    assert not altered(given, await shop.dead())
    await shop.goes_on()


@pytest.mark.parametrize("value", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_in_our_own_headers_is_rubbish_and_no_more(shop: Shop, value: Value) -> None:
    """All of our names at once: one try, one dead letter, with our own record in it."""
    given = properties(headers={name.encode(): value for name in OUR_NAMES})
    shop.send(FAILING, given)
    dead = await shop.dead()
    assert dead.text("dead-reason") == "failed"
    assert dead.text("failed-queue") == "shop.take"
    await shop.goes_on()
    assert shop.take.tried.count(-1) == 1


@pytest.mark.parametrize("value", RUBBISH.values(), ids=RUBBISH)
async def test_rubbish_in_one_of_our_headers_keeps_no_message_from_its_handler(
    shop: Shop, value: Value
) -> None:
    """A message that says it may not be tried before the year 9999 is handled today."""
    for name in OUR_NAMES:
        shop.send(GOOD, properties(headers={name.encode(): value}))
    await eventually(lambda: shop.take.handled.count(1) >= len(OUR_NAMES))
    await shop.goes_on()
    assert shop.take.tried.count(1) == len(OUR_NAMES)


@pytest.mark.parametrize("value", [*RUBBISH.values(), FORGED], ids=[*RUBBISH, "a forged death"])
async def test_a_forged_header_of_the_broker_changes_nothing(shop: Shop, value: Value) -> None:
    """A failing message under it is tried once and dead-lettered, without the forgery."""
    for name in BROKERS_NAMES:
        shop.send(FAILING, properties(headers={name: value}))
    for _ in BROKERS_NAMES:
        dead = await shop.dead()
        assert dead.text("dead-reason") == "failed"
        assert value not in [dead.headers.get(name) for name in BROKERS_NAMES]
    await shop.goes_on()
    assert shop.take.tried.count(-1) == len(BROKERS_NAMES)


@pytest.mark.parametrize("size", [110_000, 119_000, 122_000, 130_000, 130_900])
async def test_headers_that_leave_no_room_for_the_fault_record_still_get_one(
    shop: Shop, size: int
) -> None:
    """A frame is 128 KiB: first the stack goes, at last the headers, whose names are noted."""
    shop.send(FAILING, properties(headers={b"huge": long(b"v" * size)}))
    dead = await shop.dead()
    assert dead.text("dead-reason") == "failed"
    assert b"huge" in dead.headers or dead.text("dropped-headers") == "huge"
    await shop.goes_on()


async def test_5000_headers_are_no_more_than_5000_headers(shop: Shop) -> None:
    """All of them are in the dead letter."""
    given = properties(headers={b"%d" % at: b"V" for at in range(5_000)})
    shop.send(FAILING, given)
    assert not altered(given, await shop.dead())
    await shop.goes_on()


@pytest.mark.parametrize("name", [b"CC", b"BCC"])
async def test_a_copy_goes_to_the_dead_letters_and_not_where_cc_sends_it(
    shop: Shop, name: bytes
) -> None:
    """Carried along, CC would bring the dead letter back to its consumer, for ever."""
    shop.send(FAILING, properties(headers={name: array(long(QUEUE.encode()))}))
    assert name not in (await shop.dead()).headers
    await shop.goes_on()
    assert shop.take.tried.count(-1) == 1
