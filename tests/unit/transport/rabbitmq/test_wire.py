"""Property lists: what the library writes we read, what we write it reads, and nothing is lost."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.wire import (
    Opaque,
    UnreadableError,
    decode_properties,
    encode_properties,
)

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
SHORT = st.binary(min_size=1, max_size=255).map(lambda b: b.decode("utf-8", "surrogateescape"))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=300).map(lambda b: b.decode("utf-8", "surrogateescape")),
    st.binary(max_size=50).map(bytearray),
    MOMENTS,
    st.integers(0, 2**32 - 1).map(lambda n: Decimal(n).scaleb(-2)),
)
NAMES = st.text(min_size=1, max_size=20)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
ENVELOPES = st.builds(
    Envelope,
    body=st.just(b""),
    content_type=st.none() | SHORT,
    content_encoding=st.none() | SHORT,
    headers=st.dictionaries(NAMES, VALUES, max_size=5),
    delivery_mode=st.none() | st.integers(0, 255),
    priority=st.none() | st.integers(0, 255),
    correlation_id=st.none() | SHORT,
    reply_to=st.none() | SHORT,
    expiration=st.none() | SHORT,
    message_id=st.none() | SHORT,
    timestamp=st.none() | MOMENTS | st.integers(253_402_300_800, 2**64 - 1),
    type=st.none() | SHORT,
    user_id=st.none() | SHORT,
    app_id=st.none() | SHORT,
    cluster_id=st.none() | SHORT,
)


@given(ENVELOPES)
def test_what_is_written_is_read_back(envelope: Envelope) -> None:
    """Every property and header, of every type, hostile text included."""
    assert decode_properties(encode_properties(envelope), b"") == envelope


@given(st.dictionaries(NAMES, st.text(max_size=50) | st.integers(-(2**31), 2**31 - 1)), MOMENTS)
def test_the_library_reads_what_we_write(headers: dict[str, Any], moment: datetime) -> None:
    """Any other client sees the properties that were meant."""
    envelope = Envelope(b"", message_id="m", type="t", headers=headers, timestamp=moment)
    header = ContentHeader()
    header.unmarshal(b"\x00\x3c\x00\x00" + bytes(8) + encode_properties(envelope))
    properties = header.properties
    assert (properties.message_id, properties.message_type) == ("m", "t")
    assert (properties.headers or {}, properties.timestamp) == (headers, moment)


@given(st.dictionaries(NAMES, st.text(max_size=50)), MOMENTS)
def test_we_read_what_the_library_writes(headers: dict[str, Any], moment: datetime) -> None:
    """What aio-pika and pika send arrives whole."""
    properties = Basic.Properties(
        headers=headers or None, message_id="m", timestamp=moment, priority=3, delivery_mode=2
    )
    envelope = decode_properties(properties.marshal(), b"body")
    assert (envelope.body, envelope.headers, envelope.timestamp) == (b"body", headers, moment)
    assert (envelope.message_id, envelope.priority, envelope.delivery_mode) == ("m", 3, 2)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_unreadable(raw: bytes) -> None:
    """Nothing that a broker could hand us raises anything else, or never ends."""
    try:
        decode_properties(raw, b"")
    except UnreadableError:
        pass


def test_tables_too_deep_for_python_stay_what_they_were() -> None:
    """Five thousand nested tables are carried along unread, and written back."""
    inner: bytes = b"V"
    for _ in range(5_000):
        entry = b"\x01n" + inner
        inner = b"F" + len(entry).to_bytes(4, "big") + entry
    raw = b"\x20\x00" + (len(inner) + 2).to_bytes(4, "big") + b"\x01h" + inner
    envelope = decode_properties(raw, b"")
    assert encode_properties(envelope) == raw


def test_a_date_that_no_calendar_has_stays_opaque() -> None:
    """A header in nanoseconds since 1970 is kept byte for byte."""
    data = b"T" + (2**63).to_bytes(8, "big")
    raw = b"\x20\x00" + (len(data) + 2).to_bytes(4, "big") + b"\x01h" + data
    envelope = decode_properties(raw, b"")
    assert envelope.headers == {"h": Opaque(data)}
    assert encode_properties(envelope) == raw


@pytest.mark.parametrize("value", [{1, 2}, 2**63, Decimal(-1), object(), Decimal("1e400")])
def test_what_amqp_has_no_type_for_is_refused(value: object) -> None:
    """An error that names it, before anything is sent."""
    with pytest.raises(UnreadableError):
        encode_properties(Envelope(b"", headers={"h": value}))
