"""Bodies that no contract allows."""

import gzip

import pytest

from tests.hostile.fields import properties
from tests.hostile.shop import GOOD, Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNREADABLE = {
    "nothing": b"",
    "no JSON": b"order number one, please",
    "half of it": b'{"number": ',
    "binary": bytes(range(256)),
    "nothing but zeros": bytes(64),
    "UTF-16": '{"number": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "two at once": GOOD + GOOD,
    "5 MB of lists": b"[" * 5_000_000,
    "5 MB of objects": b'{"number":' * 500_000,
    "a wrong type": b'{"number": "many"}',
    "a field missing": b'{"amount": 1}',
    "a list": b"[1, 2, 3]",
    "null": b"null",
    "a number beyond floats": b'{"number": 1e400}',
    "a number of 100,000 digits": b'{"number": %s}' % (b"9" * 100_000),
    "no number": b'{"number": NaN}',
    "half a character": b'{"number": "\\ud800"}',
}

LABELLED = {
    "XML": (properties(content_type=b"application/xml"), b"<number>1</number>"),
    "a picture": (properties(content_type=b"image/png"), GOOD),
    "a label that is no text": (properties(content_type=b"\xff\xfe"), GOOD),
    "gzip": (properties(content_encoding=b"gzip"), gzip.compress(GOOD, mtime=0)),
    "said to be gzip": (properties(content_encoding=b"gzip"), GOOD),
    "an unheard-of encoding": (properties(content_encoding=b"\xff"), GOOD),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_body_that_can_not_be_read_is_dead_lettered_as_it_came(
    shop: Shop, body: bytes
) -> None:
    """It is never handed to the handler, and the next message is handled."""
    shop.send(body)
    dead = await shop.dead()
    assert dead.text("dead-reason") == "undecodable"
    assert dead.body == body
    await shop.goes_on()
    assert len(shop.take.tried) == 1


@pytest.mark.parametrize(("given", "body"), LABELLED.values(), ids=LABELLED)
async def test_a_body_under_a_foreign_label_is_dead_lettered_as_it_came(
    shop: Shop, given: dict[str, bytes], body: bytes
) -> None:
    """It isn't even tried: what it would mean is anybody's guess."""
    shop.send(body, given)
    dead = await shop.dead()
    assert dead.text("dead-reason") == "undecodable"
    assert dead.body == body
    assert given.items() <= dead.properties.items()
    await shop.goes_on()


@pytest.mark.parametrize("name", [b"orders.cancelled", b"ORDERS.PLACED", b"\xff\xfe", b"t" * 255])
async def test_an_unknown_type_is_dead_lettered_as_unhandled(shop: Shop, name: bytes) -> None:
    """The type decides, whatever the routing key says; it stands in the dead letter as it came."""
    given = properties(type=name)
    shop.send(GOOD, given)
    dead = await shop.dead()
    assert dead.text("dead-reason") == "unhandled"
    assert dead.properties["type"] == given["type"]
    await shop.goes_on()


@pytest.mark.parametrize("given", [{}, properties(type=b"")], ids=["no type", "empty type"])
async def test_a_message_with_nothing_but_a_body_is_handled(
    shop: Shop, given: dict[str, bytes]
) -> None:
    """Plain pika is enough: without a type the routing key names the contract."""
    shop.send(GOOD, given)
    await shop.goes_on()
    assert shop.take.handled[0] == 1


async def test_a_body_in_odd_pieces_is_put_together(shop: Shop) -> None:
    """AMQP lets a sender cut a body anywhere, even into pieces of nothing."""
    shop.wire.publish(
        "events", b"orders.placed", {}, GOOD, fragments=[b"", GOOD[:3], b"", GOOD[3:]]
    )
    await shop.goes_on()
    assert shop.take.handled[0] == 1
