"""What other people's clients do with it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aio_pika
import aiormq
import pika
import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAuthenticationError,
    UnroutableError,
)

from tests.outsider import eventually
from toolkit.embedded import EmbeddedBroker

HEADERS: dict[str, Any] = {
    "text": "grüße",
    "bytes": bytearray(b"\x00\xff"),
    "number": 2**40,
    "float": 1.5,
    "yes": True,
    "nothing": None,
    "date": datetime(2026, 11, 24, tzinfo=UTC),
    "decimal": Decimal("1.25"),
    "table": {"list": [1, {"deep": "er"}]},
}


async def with_pika(url: str, work: Callable[[Any], Any]) -> Any:
    """Does something with a blocking channel, in a thread."""

    def run() -> Any:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        try:
            return work(connection.channel())
        finally:
            if connection.is_open:
                connection.close()

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 300_000])
async def test_aio_pika_gets_what_it_has_published(broker: EmbeddedBroker, size: int) -> None:
    """Bodies of any size, in as many frames as they take, and each type of header."""
    body = bytes(size)
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", durable=True)
        message = aio_pika.Message(body, headers=HEADERS, message_id="m", timestamp=1_700_000_000)
        await channel.default_exchange.publish(message, "q")
        found = await queue.get()
        await found.ack()
    assert (found.body, found.headers, found.message_id) == (body, HEADERS, "m")
    assert found.timestamp == datetime.fromtimestamp(1_700_000_000, UTC)
    assert not broker.memory.unacked


async def test_aio_pika_consumes_over_a_topic_exchange(broker: EmbeddedBroker) -> None:
    """From a queue that the broker has named."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("x", "topic")
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "a.*")
        for key in ("a.b", "c.d", "a.c"):
            await exchange.publish(aio_pika.Message(key.encode()), key, mandatory=False)
        bodies = []
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                bodies.append(message.body)
                if len(bodies) == 2:
                    break
    assert bodies == [b"a.b", b"a.c"]
    assert not broker.memory.queues


async def test_pika_publishes_gets_and_consumes(broker: EmbeddedBroker) -> None:
    """A name that other clients would not write is a name."""

    def work(channel: Any) -> list[bytes]:
        channel.confirm_delivery()
        channel.queue_declare("q (1)", durable=True)
        for body in (b"1", b"2", b"3"):
            channel.basic_publish("", "q (1)", body, mandatory=True)
        method, _, first = channel.basic_get("q (1)")
        assert (method.message_count, method.redelivered) == (2, False)
        channel.basic_ack(method.delivery_tag)
        bodies = [first]
        for method, _, body in channel.consume("q (1)"):
            channel.basic_ack(method.delivery_tag)
            bodies.append(body)
            if len(bodies) == 3:
                break
        channel.cancel()
        return bodies

    assert await with_pika(broker.url, work) == [b"1", b"2", b"3"]


async def test_what_no_queue_takes_is_returned_if_that_was_asked_for(
    broker: EmbeddedBroker,
) -> None:
    """And confirmed if not."""

    def work(channel: Any) -> None:
        channel.confirm_delivery()
        channel.basic_publish("", "nowhere", b"m", mandatory=False)
        channel.basic_publish("", "nowhere", b"m", mandatory=True)

    with pytest.raises(UnroutableError) as returned:
        await with_pika(broker.url, work)
    (message,) = returned.value.messages
    assert message.body == b"m"
    assert (message.method.reply_code, message.method.reply_text) == (312, "NO_ROUTE")


async def test_a_full_queue_answers_no(broker: EmbeddedBroker) -> None:
    """With a nack."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        arguments: dict[str, Any] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await channel.declare_queue("q", arguments=arguments)
        with pytest.raises(aio_pika.exceptions.DeliveryError):
            await channel.default_exchange.publish(aio_pika.Message(b"m"), "q")


async def test_a_refusal_closes_its_channel_with_the_broker_s_words(broker: EmbeddedBroker) -> None:
    """The connection and its other channels stay."""

    def work(channel: Any) -> Any:
        other = channel.connection.channel()
        with pytest.raises(ChannelClosedByBroker) as refused:
            channel.queue_declare("q", passive=True)
        other.queue_declare("q")
        return refused.value

    refused = await with_pika(broker.url, work)
    assert refused.reply_code == 404
    assert refused.reply_text == "NOT_FOUND - no queue 'q' in vhost '/'"


async def test_a_wrong_password_is_refused(broker: EmbeddedBroker) -> None:
    """As a client sees it that can be told why."""
    url = broker.url.replace("guest:guest", "guest:wrong")
    with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED"):
        await with_pika(url, print)
    with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(url)


async def test_another_virtual_host_is_refused(broker: EmbeddedBroker) -> None:
    """530, with its name."""
    with pytest.raises(AMQPConnectionError) as refused:
        await with_pika(f"{broker.url}elsewhere", print)
    assert "NOT_ALLOWED - vhost elsewhere not found" in repr(refused.value)


async def test_an_exclusive_queue_is_its_connection_s_own(broker: EmbeddedBroker) -> None:
    """Nobody else can use it, and it goes with the connection, whatever became of its channel."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("mine", exclusive=True)
        await channel.declare_queue("mine", exclusive=True)
        with pytest.raises(ChannelClosedByBroker, match="RESOURCE_LOCKED"):
            await with_pika(broker.url, lambda channel: channel.basic_get("mine"))
        with pytest.raises(ChannelClosedByBroker, match="RESOURCE_LOCKED"):
            await with_pika(broker.url, lambda channel: channel.queue_declare("mine"))
        await channel.close()
        assert queue.name in broker.memory.queues
    await eventually(lambda: queue.name not in broker.memory.queues)


async def test_queues_and_exchanges_in_use_are_kept_for_who_asks(broker: EmbeddedBroker) -> None:
    """`if_unused` and `if_empty`."""

    def delete_with(channel: Any, **condition: bool) -> str:
        with pytest.raises(ChannelClosedByBroker) as refused:
            channel.connection.channel().queue_delete("q", **condition)
        return str(refused.value.reply_text)

    def work(channel: Any) -> None:
        channel.exchange_declare("x", "fanout")
        channel.queue_declare("q")
        channel.queue_bind("q", "x")
        channel.basic_publish("x", "", b"m")
        assert "not empty" in delete_with(channel, if_empty=True)
        channel.basic_consume("q", print)
        assert "in use" in delete_with(channel, if_unused=True)
        with pytest.raises(ChannelClosedByBroker, match="in use"):
            channel.connection.channel().exchange_delete("x", if_unused=True)
        channel.queue_delete("q")
        channel.exchange_delete("x", if_unused=True)

    await with_pika(broker.url, work)
    assert "q" not in broker.memory.queues


async def test_an_unknown_type_of_exchange_ends_the_connection(broker: EmbeddedBroker) -> None:
    """503, as there is no plugin for it."""
    with pytest.raises(ConnectionClosedByBroker, match="unknown exchange type 'x-delayed-message'"):
        await with_pika(
            broker.url, lambda channel: channel.exchange_declare("x", "x-delayed-message")
        )


async def test_recover_gives_back_all_that_is_out(broker: EmbeddedBroker) -> None:
    """To be handed out again, as redelivered."""

    def work(channel: Any) -> list[bool]:
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"m")
        flags = [channel.basic_get("q")[0].redelivered]
        channel.basic_recover(requeue=True)
        return [*flags, channel.basic_get("q")[0].redelivered]

    assert await with_pika(broker.url, work) == [False, True]


async def test_a_consumer_tag_is_free_again_once_it_is_cancelled(broker: EmbeddedBroker) -> None:
    """Though the first consumer may still hold something."""

    def work(channel: Any) -> list[bytes]:
        got: list[bytes] = []
        channel.queue_declare("q")
        for body in (b"1", b"2"):
            channel.basic_qos(prefetch_count=1)
            channel.basic_publish("", "q", body)
            channel.basic_consume("q", lambda *message: got.append(message[3]), consumer_tag="me")
            channel.connection.process_data_events(time_limit=0.05)
            channel.basic_cancel("me")
        return got

    assert await with_pika(broker.url, work) == [b"1", b"2"]
