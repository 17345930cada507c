"""Properties and headers go through us unchanged, whoever sent them and whatever they hold."""

import math
import struct
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.decode import embedded_value

from tests.unit.amqp import envelopes, moments
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.wire import (
    Opaque,
    UnreadableError,
    decode_properties,
    encode_properties,
)


def through(envelope: Envelope) -> Envelope:
    """The envelope after its way over the wire."""
    return decode_properties(encode_properties(envelope), envelope.body)


def table(entry: bytes) -> bytes:
    """The property list of a message with one header, `h`, of this type and value."""
    named = b"\x01h" + entry
    return struct.pack(">HI", 1 << 13, len(named)) + named


@given(envelopes)
def test_an_envelope_is_the_same_after_its_way_over_the_wire(envelope: Envelope) -> None:
    """Every property and every type of header."""
    assert through(envelope) == envelope


@given(st.binary(max_size=300))
def test_bytes_are_properties_or_unreadable_and_nothing_else(raw: bytes) -> None:
    """What can be read is written back as something that reads the same."""
    try:
        envelope = decode_properties(raw, b"")
    except UnreadableError:
        return
    assert encode_properties(through(envelope)) == encode_properties(envelope)


RAW_VALUES = {
    "a double": b"d" + struct.pack(">d", 1732419440.123),
    "a huge double": b"d" + struct.pack(">d", 1e300),
    "text that is not UTF-8": b"S\x00\x00\x00\x02\xff\xfe",
    "bytes": b"x\x00\x00\x00\x02\xff\xfe",
    "a large decimal": b"D\x02\xff\xff\xff\xff",
    "a date that is no date": b"T" + struct.pack(">Q", 2**60),
    "a long": b"l" + struct.pack(">q", -(2**63)),
    "nothing": b"V",
    "a tiny": b"b\xfb",
    "an unsigned tiny": b"B\xfa",
    "a short": b"s" + struct.pack(">h", 5),
    "an unsigned short": b"u" + struct.pack(">H", 65_000),
    "an integer": b"I" + struct.pack(">i", 5),
    "an unsigned integer": b"i" + struct.pack(">I", 4_000_000_000),
    "another long": b"L" + struct.pack(">q", 5),
    "a float": b"f" + struct.pack(">f", 0.1),
    "no number": b"d" + struct.pack(">d", math.nan),
    "true": b"t\x01",
    "a list in a table": b"F\x00\x00\x00\x08\x01aA\x00\x00\x00\x01V",
    "deep nesting": b"A\x00\x00\x01\x2c"
    + b"".join(b"A" + struct.pack(">I", 295 - 5 * depth) for depth in range(60)),
}


@pytest.mark.parametrize("entry", RAW_VALUES.values(), ids=RAW_VALUES)
def test_a_strangers_header_is_written_back_byte_for_byte(entry: bytes) -> None:
    """What a copy carries is what the sender sent."""
    raw = table(entry)
    assert encode_properties(decode_properties(raw, b"")) == raw


def test_a_flag_is_a_flag_and_a_date_that_is_none_is_kept_as_it_is() -> None:
    """Neither is taken for a number."""
    assert decode_properties(table(b"t\x01"), b"").headers == {"h": True}
    assert decode_properties(table(b"t\x01"), b"").headers["h"] is True
    no_date = b"T" + struct.pack(">Q", 2**60)
    assert decode_properties(table(no_date), b"").headers == {"h": Opaque(no_date)}


def test_a_copy_writes_back_what_it_has_not_changed_and_anew_what_it_has() -> None:
    """A number that the engine counts up takes its own type; the sender's keep theirs."""
    came = decode_properties(table(b"s\x00\x05"), b"")
    kept = replace(came, headers={**came.headers, "attempts": 1})
    changed = replace(came, headers={"h": 6})
    assert encode_properties(kept)[6:] == b"\x01hs\x00\x05" + b"\x08attemptsb\x01"
    assert encode_properties(changed)[6:] == b"\x01hb\x06"


def test_tables_too_deep_for_python_stay_what_they_were() -> None:
    """Five thousand nested tables are carried along unread, and written back."""
    inner = b"V"
    for _ in range(5_000):
        entry = b"\x01n" + inner
        inner = b"F" + struct.pack(">I", len(entry)) + entry
    raw = table(inner)
    assert encode_properties(decode_properties(raw, b"")) == raw


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 127, 128, -129, 40_000, 2**31, 2**63 - 1, 0.1, 1e300),
    *("text", "ü", bytearray(b"\xff"), Decimal("1.25"), datetime(2026, 3, 1, tzinfo=UTC)),
    *([1, ["a"]], {"a": {"b": None}}),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_another_client_reads_the_same_value(value: Any) -> None:
    """What we write is AMQP as others know it, so pamqp must agree."""
    (flags,) = struct.unpack_from(
        ">H", raw := encode_properties(Envelope(b"", headers={"h": value}))
    )
    assert flags == 1 << 13
    assert embedded_value(raw[8:]) == (len(raw) - 8, value)


def test_another_client_reads_the_same_properties() -> None:
    """Each at its place."""
    texts: dict[str, Any] = {
        **dict.fromkeys(("message_id", "type", "correlation_id", "app_id", "content_type"), "a"),
        **dict.fromkeys(("content_encoding", "expiration", "reply_to", "user_id"), "b"),
    }
    envelope = Envelope(
        b"",
        **texts,
        delivery_mode=2,
        priority=9,
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
    )
    properties = Basic.Properties()
    raw = encode_properties(envelope)
    properties.unmarshal(struct.unpack_from(">H", raw)[0], raw[2:])
    assert properties.message_type == "a"
    for name in ("message_id", "correlation_id", "content_encoding", "reply_to", "priority"):
        assert getattr(properties, name) == getattr(envelope, name)
    assert properties.timestamp == envelope.timestamp


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50)), moments)
def test_what_another_client_writes_arrives_whole(headers: dict[str, Any], at: datetime) -> None:
    """As aio-pika and pika send it."""
    properties = Basic.Properties(
        headers=headers or None, message_id="m", timestamp=at, priority=3, delivery_mode=2
    )
    envelope = decode_properties(properties.marshal(), b"body")
    assert (envelope.body, envelope.headers, envelope.timestamp) == (b"body", headers, at)
    assert (envelope.message_id, envelope.priority, envelope.delivery_mode) == ("m", 3, 2)


UNWRITABLE: dict[str, Any] = {
    "too large": 2**63,
    "an object": object(),
    "a set": {1},
    "a negative decimal": Decimal(-1),
    "no number": math.nan,
    "before 1970": datetime(1969, 12, 31, tzinfo=UTC),
    "a lone surrogate": "\ud800",
    "one inside": [{"a": "\ud800"}],
}


@pytest.mark.parametrize("value", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_header_that_amqp_has_no_form_for_is_refused(value: Any) -> None:
    """One kind of error for all, because that is what publishing expects."""
    with pytest.raises(UnreadableError):
        encode_properties(Envelope(b"", headers={"h": value}))


@pytest.mark.parametrize("properties", [{"message_id": "x" * 256}, {"type": "\ud800"}])
def test_a_property_that_does_not_fit_is_refused(properties: dict[str, str]) -> None:
    """A short string has at most 255 bytes, of UTF-8 or of what came."""
    with pytest.raises(UnreadableError):
        encode_properties(Envelope(b"", **properties))  # type: ignore[arg-type]


def test_of_two_headers_of_one_name_the_last_counts() -> None:
    """For whoever reads it, and in a copy, there once."""
    twice = b"\x01hs\x00\x05" + b"\x01hB\x06"
    came = decode_properties(struct.pack(">HI", 1 << 13, len(twice)) + twice, b"")
    assert came.headers == {"h": 6}
    assert encode_properties(came)[6:] == b"\x01hB\x06"


@pytest.mark.parametrize("number", [-1, 256])
def test_a_number_over_an_octet_is_refused(number: int) -> None:
    """As everything else that doesn't fit."""
    with pytest.raises(UnreadableError, match=f"priority {number}"):
        encode_properties(Envelope(b"", priority=number))
