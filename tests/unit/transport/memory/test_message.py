"""What a message goes through as if there were a wire."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.transport.memory.broker import Bench
from toolkit.messages.envelope import Envelope
from toolkit.transport.memory.message import NotEncodableError, size_of_properties, travelled
from toolkit.transport.memory.refusal import Refusal
from toolkit.transport.rabbitmq.wire import decode_properties, encode_properties


def test_nobody_shares_a_header_table() -> None:
    """Not the sender with the broker, nor two receivers."""
    bench = Bench()
    bench.broker.declare_exchange("x", "fanout")
    for name in ("a", "b"):
        bench.queue(name)
        bench.bind("x", name)
    sent = {"list": [1], "table": {"k": "v"}, "bytes": bytearray(b"x")}
    bench.publish(exchange="x", headers=sent)
    sent["list"].append(2)  # type: ignore[attr-defined]
    first = bench.get("a").envelope.headers
    first["list"].append(3)
    first["table"]["k"] = "changed"
    first["new"] = 1
    bench.channel.nack(1, requeue=True)
    for name in ("a", "b"):
        headers = bench.get(name).envelope.headers
        headers.pop("x-delivery-count", None)
        assert headers == {"list": [1], "table": {"k": "v"}, "bytes": bytearray(b"x")}


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(b""),
        Envelope(b"body", "id", "type", "corr", None, "app", "json", "gzip", 2, 9, "100", "re"),
        Envelope(b"", timestamp=datetime(2026, 1, 2, 3, 4, 5, 678, UTC)),
        Envelope(b"", timestamp=datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5)))),
        Envelope(b"", headers={"tuple": (1, "a"), "nested": {"list": [None, True, 1.5]}}),
        Envelope(b"", headers={"bytes": b"x", "moment": datetime(2026, 1, 1, 1, 1, 1, 1, UTC)}),
        Envelope(b"", headers={"decimal": Decimal("1.25"), "big": 2**40, "text": "ä" * 300}),
        Envelope(b"", user_id="guest", cluster_id="c", message_id="ä" * 100),
    ],
)
def test_it_comes_out_as_it_would_of_a_real_wire(envelope: Envelope) -> None:
    """The bytes that the other adapter writes and reads."""
    wire = decode_properties(encode_properties(envelope), envelope.body)
    memory = travelled(envelope)
    assert memory == wire
    assert [type(value) for value in memory.headers.values()] == [
        type(value) for value in wire.headers.values()
    ]
    assert abs(size_of_properties(envelope) - len(encode_properties(envelope))) < 100


@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"h": object()}},
        {"headers": {"h": 2**63}},
        {"headers": {"h": [{"deep": {1, 2}}]}},
        {"headers": {"h" * 256: 1}},
        {"headers": {"\ud800": 1}},
        {"headers": {"h": "\ud800"}},
        {"message_id": "x" * 256},
        {"type": "ä" * 128},
        {"timestamp": datetime(1960, 1, 1, tzinfo=UTC)},
    ],
)
def test_what_no_wire_can_carry_is_refused(properties: dict[str, Any]) -> None:
    """Before anybody has seen it."""
    with pytest.raises(NotEncodableError):
        travelled(Envelope(b"", **properties))


@pytest.mark.parametrize("expiration", ["", "soon", "-1", "1.0", "4294967296"])
def test_an_expiration_is_a_number_of_milliseconds(expiration: str) -> None:
    """406 for anything else."""
    bench = Bench()
    bench.queue()
    with pytest.raises(Refusal, match="invalid expiration"):
        bench.publish(expiration=expiration)


@pytest.mark.parametrize(("version", "most"), [((3, 10), 128), ((4, 0), 16)])
def test_the_largest_body(version: tuple[int, int], most: int) -> None:
    """Mebibytes, by version."""
    bench = Bench(version)
    bench.queue()
    body = bytes(most * 1024 * 1024)
    bench.channel.publish(Envelope(body), "", "q")
    with pytest.raises(Refusal, match="larger than configured max size"):
        bench.channel.publish(Envelope(body + b"x"), "", "q")
