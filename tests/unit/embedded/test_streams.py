"""Bytes that nobody has written: no stream takes the broker down, or makes it wait for ever."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue
from pamqp.frame import marshal
from structlog.testing import capture_logs

from tests.outsider import outside
from tests.unit.embedded.raw import PROTOCOL, logging_in, publishing, raw
from toolkit.embedded import EmbeddedBroker

STORY = [
    PROTOCOL,
    *(marshal(method, 0) for method in logging_in()),
    marshal(Channel.Open(), 1),
    marshal(Confirm.Select(), 1),
    marshal(Exchange.Declare(exchange="x", exchange_type="topic"), 1),
    marshal(Queue.Declare(queue="q", arguments={"x-max-length": 5, "a": [1, {"b": "c"}]}), 1),
    marshal(Queue.Bind(queue="q", exchange="x", routing_key="#"), 1),
    publishing(b"body", exchange="x", routing_key="k", mandatory=True),
    marshal(Basic.Qos(prefetch_count=2), 1),
    marshal(Basic.Consume(queue="q", consumer_tag="c"), 1),
    publishing(b"", exchange="x"),
    marshal(Basic.Ack(1), 1),
    marshal(Basic.Cancel("c"), 1),
    marshal(Basic.Nack(2), 1),
    marshal(Basic.Get(queue="q"), 1),
    marshal(Queue.Delete(queue="q"), 1),
    marshal(Channel.Close(200, "", 0, 0), 1),
    marshal(Connection.Close(200, "", 0, 0), 0),
]
IN = len(b"".join(STORY[:5]))
"""Where the part begins that comes after the handshake."""


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The story with a few octets changed, taken out or put in."""
    data = bytearray(b"".join(STORY))
    places = st.integers(draw(st.sampled_from([0, IN, IN])), len(data) - 1)
    for at in draw(st.lists(places, min_size=1, max_size=6)):
        match draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                data[at % len(data)] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 12))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=12))
    return bytes(data)


shuffled = st.lists(st.sampled_from(STORY[5:]), max_size=12).map(
    lambda parts: b"".join((*STORY[:5], *parts))
)
garbage = st.binary(max_size=300)
after_the_handshake = garbage.map(lambda data: b"".join(STORY[:5]) + data)


async def survive(pieces: Sequence[bytes]) -> None:
    """A client says all of it and stops; the broker ends the connection, and serves another."""
    async with EmbeddedBroker() as broker:
        async with raw(broker.url) as client:
            try:
                for piece in pieces:
                    client.send(piece)
                    await client.writer.drain()
                client.writer.write_eof()
                await client.end()
            except (ConnectionError, OSError):
                pass  # it had heard enough
        async with outside(broker.url) as outsider:
            queue = await outsider.channel.declare_queue("still there")
            await outsider.publish(b"m", routing_key=queue.name)
            assert (await outsider.take(queue.name)).body == b"m"


@pytest.mark.parametrize(
    "strategy",
    [damaged(), shuffled, garbage, after_the_handshake],
    ids=["damaged", "shuffled", "garbage", "after the handshake"],
)
def test_no_stream_hurts_the_broker(strategy: st.SearchStrategy[bytes]) -> None:
    """However it is cut, and nothing of it comes as a surprise."""
    failures: list[dict[str, Any]] = []
    with asyncio.Runner() as runner, capture_logs() as told:
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))

        @given(strategy, st.integers(1, 500))
        def attempt(stream: bytes, size: int) -> None:
            failures.clear()
            told.clear()
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            runner.run(asyncio.wait_for(survive(pieces), 20))
            assert not failures
            assert not [event for event in told if event["log_level"] == "error"]

        attempt()
