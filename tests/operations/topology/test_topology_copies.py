"""What a migration changes of a message: two headers more, and nothing else."""

from datetime import timedelta

from tests.hostile.fields import array, long, number, properties, table
from tests.hostile.wire import Wire
from tests.operations.topology.place import NEW, OLD, QUEUE, Place
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.migration import Migration, Pace

DELIVERY_COUNT = b"x-delivery-count"  # the broker's own, of the taking
STRANGE = {
    b"count": number(b"s", ">h", 7),
    b"ratio": number(b"f", ">f", 0.5),
    b"bytes": long(b"\xff\xfe"),
    b"nested": table({b"CC": array(long(b"nowhere"))}),
    b"x-death": array(table({b"queue": long(b"elsewhere"), b"reason": long(b"expired")})),
}


async def test_a_copy_is_the_message_byte_for_byte(place: Place, broker: Broker) -> None:
    """Properties, header types, a routing key that is no UTF-8, no id: all of it, twice copied. A
    CC header sends it nowhere else.
    """
    declared = broker.declared([place.release(NEW)])
    async with place.release(OLD):
        pass
    place.virtual_host.add_queue("stranger", x_queue_type="classic")
    sent = properties(
        content_type=b"application/x-strange",
        headers=STRANGE,
        delivery_mode=2,
        priority=3,
        correlation_id=b"\xff",
        reply_to=b"somewhere",
        expiration=b"3600000",
        timestamp=1_700_000_000,
        type=b"shop.placed",
        app_id=b"a stranger",
    )
    copied_to = properties(headers={b"CC": array(long(b"stranger"))}, message_id=b"cc")
    with Wire.connected(place.url) as wire:
        wire.publish("", QUEUE.encode(), sent, b"\0\xff" * 100_000)
        wire.publish("events", b"shop.placed", {}, b"")
        wire.publish("", QUEUE.encode(), copied_to, b"once to the stranger")
    assert len(place.taken("stranger")) == 1
    await Migration(broker, declared, QUEUE, pace=Pace(quiet=timedelta(seconds=1))).run()
    first, second, third = place.taken(QUEUE)
    origin = {b"original-exchange": long(b""), b"original-routing-key": long(QUEUE.encode())}
    assert first.body == b"\0\xff" * 100_000
    headers = {name: value for name, value in first.headers.items() if name != DELIVERY_COUNT}
    assert headers == STRANGE | origin
    assert {name: value for name, value in first.properties.items() if name != "headers"} == {
        name: value for name, value in sent.items() if name != "headers"
    }
    assert first.routing_key == QUEUE.encode()
    assert second.routing_key == b"shop.placed"
    assert second.text("original-exchange") == "events"
    assert third.headers[b"CC"] == array(long(b"stranger"))
    assert place.taken("stranger") == []
