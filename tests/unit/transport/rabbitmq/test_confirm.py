"""Every publish gets its own fate, and no other's."""

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import frame as library

from tests.unit.transport.rabbitmq.amqp import (
    closed,
    confirm,
    connected,
    frame,
    header,
    returned,
    with_id,
)
from toolkit.transport.rabbitmq.confirm import (
    ChannelGoneError,
    ConfirmLane,
    NackedError,
    ReturnedError,
)
from toolkit.transport.rabbitmq.frames import content, publishing

CHANNEL = 4


def outcome(fate: "asyncio.Future[None]") -> type[BaseException] | None:
    error = fate.exception()
    return None if error is None else type(error)


@given(st.integers(0, 2**48))
@settings(max_examples=500, deadline=None)
def test_every_publish_gets_its_own_fate(seed: int) -> None:
    """Acks and nacks of one or many, returns before them, publishes in between, some given up;
    at the end the channel is lost, and the rest is unknown.
    """

    async def play() -> None:
        chance = random.Random(seed)
        stream, _ = connected()
        lane = ConfirmLane(CHANNEL, stream)
        stream.claim(CHANNEL, lane)
        fates: dict[int, asyncio.Future[None]] = {}
        expected: dict[int, type[BaseException] | None] = {}
        unknown: list[int] = []
        unroutable: set[int] = set()
        given_up: set[int] = set()
        for _ in range(chance.randrange(120)):
            step = chance.random()
            if step < 0.5:
                tag = len(fates) + 1
                fates[tag] = lane.publish(f"m{tag}", [b"frames"], 6)
                unknown.append(tag)
            elif not unknown:
                continue
            elif step < 0.6:
                tag = chance.choice(unknown)
                unroutable.add(tag)
                size = chance.choice((0, 3))
                body = frame(3, CHANNEL, b"abc") if size else b""
                sent = returned(CHANNEL) + header(CHANNEL, size, with_id(b"m%d" % tag)) + body
                stream.data_received(sent)
            elif step < 0.65:
                tag = chance.choice(unknown)
                fates[tag].cancel()
                given_up.add(tag)
            else:
                tag, many = chance.choice(unknown), chance.random() < 0.4
                ack = chance.random() < 0.8
                covered = [one for one in unknown if one <= tag] if many else [tag]
                for one in covered:
                    unknown.remove(one)
                    good = ReturnedError if one in unroutable else None
                    expected[one] = good if ack else NackedError
                stream.data_received(confirm(CHANNEL, tag, ack=ack, multiple=many))
        assert {tag for tag in fates if not fates[tag].done()} == set(unknown) - given_up
        stream.data_received(closed(CHANNEL, b"NOT_FOUND"))
        for tag, fate in fates.items():
            if tag in given_up:
                assert fate.cancelled()
            else:
                assert outcome(fate) == expected.get(tag, ChannelGoneError)
        assert not any(lane.has(f"m{tag}") for tag in fates)

    asyncio.run(play())


async def test_all_at_once_has_the_tag_zero() -> None:
    """As the specification allows."""
    stream, _ = connected()
    lane = ConfirmLane(CHANNEL, stream)
    stream.claim(CHANNEL, lane)
    fates = [lane.publish(str(number), [b""], 0) for number in range(3)]
    stream.data_received(confirm(CHANNEL, 0, multiple=True))
    assert [outcome(fate) for fate in fates] == [None] * 3


async def test_publishes_of_one_turn_are_written_together() -> None:
    """One call to the socket for as many as there are."""
    stream, socket = connected()
    lane = ConfirmLane(CHANNEL, stream)
    for number in range(3):
        lane.publish(str(number), [b"%d" % number, b";"], 2)
    assert socket.written == b""
    await asyncio.sleep(0)
    assert socket.written == b"0;1;2;"


async def test_nothing_is_written_to_a_channel_that_is_gone() -> None:
    """Published in the turn in which the broker closed it: a late frame costs the connection."""
    stream, socket = connected()
    lane = ConfirmLane(CHANNEL, stream)
    stream.claim(CHANNEL, lane)
    fate = lane.publish("one", [b"late"], 4)
    stream.data_received(closed(CHANNEL, b"NOT_FOUND"))
    await asyncio.sleep(0)
    assert socket.written == b""
    assert outcome(fate) is ChannelGoneError


async def test_an_id_is_free_again_once_its_publish_is_through() -> None:
    """Also where nobody waited for it any more."""
    stream, _ = connected()
    lane = ConfirmLane(CHANNEL, stream)
    stream.claim(CHANNEL, lane)
    lane.publish("one", [b""], 0).cancel()
    waiting = asyncio.create_task(lane.without("one"))
    idle = asyncio.create_task(lane.without(None))
    await asyncio.sleep(0)
    assert lane.has("one")
    stream.data_received(confirm(CHANNEL, 1))
    await asyncio.gather(waiting, idle)
    assert not lane.has("one")


@given(st.binary(max_size=700), st.sampled_from([100, 128, 4096]))
def test_the_library_can_read_what_is_written(body: bytes, largest: int) -> None:
    """No frame is over the limit, and together they are the message."""
    properties = b"\x80\x00\x03a/b"
    data = publishing(9, "events", "orders.placed") + b"".join(
        content(9, properties, body, largest)
    )
    frames: list[Any] = []
    while data:
        size, channel, value = library.unmarshal(data)
        assert (channel, size <= largest) == (9, True)
        frames.append(value)
        data = data[size:]
    method, head, *pieces = frames
    assert (method.exchange, method.routing_key) == ("events", "orders.placed")
    assert (method.mandatory, method.immediate) == (True, False)
    assert (head.body_size, head.properties.content_type) == (len(body), "a/b")
    assert b"".join(piece.value for piece in pieces) == body
