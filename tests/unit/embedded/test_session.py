"""One connection, said by hand: order, sizes, silence, and who doesn't read."""

import asyncio
import struct
from itertools import count
from typing import Any

import pytest
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from tests.outsider import eventually, outside
from tests.unit.embedded.raw import PROTOCOL, logging_in, publishing, raw
from toolkit.embedded import EmbeddedBroker
from toolkit.messages.envelope import Envelope

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
HEARTBEAT = 8


def nested(depth: int) -> bytes:
    """An array in an array, and so on."""
    value = b""
    for _ in range(depth):
        value = b"A" + struct.pack(">I", len(value)) + value
    return value


def declaring(value: bytes) -> bytes:
    """A queue with one argument, on channel 1."""
    table = b"\x01a" + value
    payload = struct.pack(">IHBBI", Queue.Declare.index, 0, 0, 0, len(table)) + table
    return struct.pack(">BHI", 1, 1, len(payload)) + payload + b"\xce"


async def test_a_return_comes_before_its_confirm(broker: EmbeddedBroker) -> None:
    """Else a client would take the message for delivered."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Confirm.Select())
        client.send(publishing(b"m", routing_key="nowhere", mandatory=True))
        assert isinstance(await client.answer(Basic.Return, Basic.Ack), Basic.Return)
        assert (await client.answer(Basic.Ack)).delivery_tag == 1


async def test_consume_ok_comes_before_the_first_delivery(broker: EmbeddedBroker) -> None:
    """As its tag may be the broker's."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Queue.Declare(queue="q"))
        client.send(publishing(b"m"))
        client.say(Basic.Consume(queue="q"))
        ok = await client.answer(Basic.ConsumeOk, Basic.Deliver)
        assert isinstance(ok, Basic.ConsumeOk)
        assert (await client.answer(Basic.Deliver)).consumer_tag == ok.consumer_tag


async def test_no_frame_is_longer_than_agreed(broker: EmbeddedBroker) -> None:
    """A body goes out in as many as it takes."""
    async with raw(broker.url) as client:
        await client.come_in(frame_max=4096)
        client.say(Queue.Declare(queue="q"))
        client.say(Basic.Publish(routing_key="q"))
        client.send(marshal(ContentHeader(0, 10_000, Basic.Properties()), 1))
        for size in (4088, 4088, 10_000 - 2 * 4088):
            client.send(marshal(ContentBody(bytes(size)), 1))
        client.say(Basic.Get(queue="q"))
        await client.answer(Basic.GetOk)
        await client.frame()
        assert [len((await client.frame())[2]) for _ in range(3)] == [4088, 4088, 1824]


async def test_what_a_client_held_that_vanished_goes_back_counted(broker: EmbeddedBroker) -> None:
    """Without a goodbye; and none of its own consumers is given what another of them held."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Channel.Open(), 2)
        client.say(Queue.Declare(queue="q", durable=True, arguments=QUORUM))
        client.say(Basic.Qos(prefetch_count=1))
        client.say(Basic.Consume(queue="q"))
        client.say(Basic.Consume(queue="q"), 2)
        client.send(publishing(b"m"))
        await client.answer(Basic.Deliver)
    await eventually(lambda: broker.memory.queue("q").ready == 1)
    async with outside(broker.url) as outsider:
        assert (await outsider.take("q")).headers == {"x-delivery-count": 1}


async def test_heartbeats_are_sent_as_agreed(broker: EmbeddedBroker) -> None:
    """Without anything being asked."""
    async with raw(broker.url) as client:
        await client.come_in(heartbeat=1)
        assert await client.frame() == (HEARTBEAT, 0, b"")


async def test_who_sends_none_is_cut_off(broker: EmbeddedBroker) -> None:
    """After two, and what it held goes back."""
    async with raw(broker.url) as client:
        await client.come_in(heartbeat=1)
        client.say(Queue.Declare(queue="q"))
        client.send(publishing(b"m"))
        client.say(Basic.Get(queue="q"))
        await client.answer(Basic.GetOk)
        await asyncio.wait_for(client.end(), timeout=20)
    assert broker.memory.queue("q").ready == 1


async def test_who_does_not_read_is_not_served(broker: EmbeddedBroker) -> None:
    """A consumer without a limit gets what the network takes; the rest comes once it reads."""
    many, body = 400, bytes(100_000)
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Queue.Declare(queue="q"))
        await client.answer(Queue.DeclareOk)
        for _ in range(many):
            broker.memory.publish(Envelope(body), "", "q", publisher=None)
        queue = broker.memory.queue("q")
        client.say(Basic.Consume(queue="q", no_ack=True))
        await eventually(lambda: queue.ready < many)
        for _ in range(100):
            await asyncio.sleep(0)
        assert queue.ready > many // 4
        for _ in range(many):
            await client.answer(Basic.Deliver)
        assert not queue.ready


async def test_who_does_not_read_is_not_listened_to(broker: EmbeddedBroker) -> None:
    """Requests whose answers nobody takes are left on the network."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Queue.Declare(queue="q"))
        await client.answer(Queue.DeclareOk)
        for _ in range(400):
            broker.memory.publish(Envelope(bytes(100_000)), "", "q", publisher=None)
        queue = broker.memory.queue("q")
        get = marshal(Basic.Get(queue="q", no_ack=True), 1)
        client.send(get * 400)
        await eventually(lambda: queue.ready < 400)
        for _ in range(100):
            await asyncio.sleep(0)
        assert queue.ready > 100
        for _ in range(400):
            await client.answer(Basic.GetOk)


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\n\r\n", b"AMQP\x01\x01\x00\x0a", b"\x16\x03\x01"]
)
async def test_another_protocol_is_answered_with_the_name_of_ours(
    broker: EmbeddedBroker, greeting: bytes
) -> None:
    """And the connection is over."""
    async with raw(broker.url) as client:
        client.send(greeting)
        assert await client.end() == PROTOCOL


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (b"\x09\x00\x01\x00\x00\x00\x00\xce", 501, "type 9 is no type of a frame"),
        (struct.pack(">BHI", 1, 1, 4) + bytes(4) + b"\xcd", 501, "no end octet"),
        (struct.pack(">BHI", 3, 1, 2**31), 501, "is over 131072"),
        (struct.pack(">BHIHHB", 1, 1, 4, 99, 99, 0xCE), 501, "can't be read"),
        (struct.pack(">BHIB", 1, 1, 0, 0xCE), 501, "can't be read"),
        (struct.pack(">BHIBB", 1, 1, 1, 0, 0xCE), 501, "can't be read"),
        (declaring(nested(5_000)), 501, "maximum recursion depth"),
        (marshal(ContentBody(b"x"), 1), 505, "body came where none was due"),
        (marshal(ContentHeader(0, 1, Basic.Properties()), 1), 505, "header came where none was"),
        (marshal(Basic.Publish(), 1) * 2, 505, "where content was due"),
        (marshal(ContentBody(b"x"), 0), 501, "channel 0 carries methods only"),
        (publishing(b"")[:-1] + b"\xce" + marshal(ContentBody(b"x"), 1), 505, "none was due"),
        (
            marshal(Basic.Publish(), 1)
            + marshal(ContentHeader(0, 1, Basic.Properties()), 1)
            + marshal(ContentBody(b"xy"), 1),
            501,
            "longer than its header says",
        ),
        (
            marshal(Basic.Publish(), 1)
            + struct.pack(">BHIHHQHB", 2, 1, 14, 60, 0, 0, 0xFFFF, 0xCE),
            501,
            "properties end too early",
        ),
        (marshal(Basic.Ack(1), 7), 504, "expected 'channel.open' on channel 7"),
        (marshal(Channel.Open(), 1), 504, "second 'channel.open'"),
        (marshal(Channel.Open(), 3000), 530, "channel 3000"),
        (marshal(Connection.Open(), 0), 503, "out of turn"),
        (marshal(Basic.Publish(immediate=True), 1), 540, "immediate=true"),
        (marshal(Basic.Qos(prefetch_size=1), 1), 540, "prefetch_size"),
        (marshal(Basic.Recover(requeue=False), 1), 540, "requeue=false"),
        (marshal(Basic.QosOk(), 1), 540, "Basic.QosOk is not there"),
    ],
)
async def test_what_makes_no_sense_ends_the_connection_with_a_reason(
    broker: EmbeddedBroker, said: bytes, code: int, why: str
) -> None:
    """That one; another works on."""
    async with raw(broker.url) as client, outside(broker.url) as outsider:
        await client.come_in()
        client.send(said)
        close = await client.answer(Connection.Close)
        assert close.reply_code == code
        assert why in close.reply_text
        client.say(Connection.CloseOk(), 0)
        await client.end()
        await outsider.channel.declare_queue("q")


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ([Channel.Open()], 503),
        ([*logging_in()[:1], *logging_in()[2:]], 503),
        ([Connection.StartOk(mechanism="EXTERNAL", response="guest")], 403),
        (logging_in(frame_max=1000)[:2], 530),
        (logging_in(frame_max=2**20)[:2], 530),
    ],
)
async def test_nobody_comes_in_by_another_way(
    broker: EmbeddedBroker, first: list[Frame], code: int
) -> None:
    """Every step in its turn, with what it has to say."""
    async with raw(broker.url) as client:
        client.send(PROTOCOL)
        for method in first:
            client.say(method, 0)
        assert (await client.answer(Connection.Close)).reply_code == code


async def test_a_channel_that_was_refused_something_hears_nothing_more(
    broker: EmbeddedBroker,
) -> None:
    """Until its client has answered; then its number is free again."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Basic.Get(queue="none"))
        client.say(Queue.Declare(queue="q"))
        assert (await client.answer(Channel.Close)).class_id == 60
        client.say(Channel.CloseOk())
        client.say(Channel.Open())
        await client.answer(Channel.OpenOk)
        client.say(Queue.Declare(queue="other"))
        await client.answer(Queue.DeclareOk)
    assert list(broker.memory.queues) == ["other"]


async def test_a_body_over_the_limit_costs_the_channel_before_it_has_come(
    broker: EmbeddedBroker,
) -> None:
    """Nothing of it is kept."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Basic.Publish(routing_key="q"))
        client.send(marshal(ContentHeader(0, 2**40, Basic.Properties()), 1))
        client.send(marshal(ContentBody(bytes(100_000)), 1))
        close = await client.answer(Channel.Close)
    assert (close.reply_code, close.class_id, close.method_id) == (406, 60, 40)
    assert "larger than configured max size" in close.reply_text


async def test_a_header_that_it_can_not_keep_is_refused(broker: EmbeddedBroker) -> None:
    """A number that is none."""
    table = struct.pack(">I", 11) + b"\x01nd" + struct.pack(">d", float("nan"))
    header = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + table
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Basic.Publish(routing_key="q"))
        client.send(struct.pack(">BHI", 2, 1, len(header)) + header + b"\xce")
        close = await client.answer(Channel.Close)
    assert close.reply_code == 406
    assert "can't keep this message: header 'n'" in close.reply_text


async def test_text_that_is_no_utf_8_goes_out_as_it_came(broker: EmbeddedBroker) -> None:
    """In routing keys and properties."""
    key = b"\xff\xfe"
    start = struct.pack(">HHH", 60, 40, 0) + b"\x00" + bytes((len(key),)) + key + b"\x00"
    header = struct.pack(">HHQH", 60, 0, 0, 1 << 7) + b"\x02\xc3\x28"
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Queue.Declare(queue="q"))
        client.say(Queue.Bind(queue="q", exchange="amq.fanout"))
        start = start.replace(b"\x00\x02\xff", b"\x0aamq.fanout\x02\xff")
        for kind, payload in ((1, start), (2, header)):
            client.send(struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce")
        client.say(Basic.Consume(queue="q"))
        await client.answer(Basic.ConsumeOk)
        delivery, content = await client.frame(), await client.frame()
    assert delivery[2].endswith(b"\x02\xff\xfe")
    assert content[2].endswith(b"\x02\xc3\x28")


async def test_a_goodbye_is_answered(broker: EmbeddedBroker) -> None:
    """And what was out is back before it is."""
    async with raw(broker.url) as client:
        await client.come_in()
        client.say(Queue.Declare(queue="q"))
        for number in count(1):
            client.send(publishing(b"m"))
            client.say(Basic.Get(queue="q"))
            assert (await client.answer(Basic.GetOk)).delivery_tag == number
            if number == 3:
                break
        client.say(Connection.Close(200, "bye", 0, 0), 0)
        await client.answer(Connection.CloseOk)
        assert broker.memory.queue("q").ready == 3
        assert await client.end() == b""
