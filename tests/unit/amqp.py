"""Strategies for what AMQP 0-9-1 can carry around a message."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from toolkit.messages.envelope import Envelope

short_texts = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape")),
)
"""Text of at most 255 bytes; some of it wasn't UTF-8 on the wire."""

moments = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - strategies want naive bounds
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
"""What a timestamp can be: whole seconds since 1970."""

decimals = st.builds(
    lambda number, scale: Decimal((0, tuple(map(int, str(number))), -scale)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
)

header_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        decimals,
        short_texts,
        st.binary().map(bytearray),
        moments,
    ),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(short_texts, values, max_size=3),
    max_leaves=6,
)
"""Every type that a header's value can have."""

_ascii = st.characters(codec="ascii", categories=["L", "N"], include_characters="-")
names = st.text(_ascii, max_size=30).map(lambda name: f"their-{name}")

header_tables: st.SearchStrategy[dict[str, Any]] = st.dictionaries(names, header_values, max_size=6)
"""Tables with names that aren't the broker's own."""

envelopes = st.builds(
    Envelope,
    body=st.binary(),
    message_id=st.none() | short_texts,
    type=st.none() | short_texts,
    correlation_id=st.none() | short_texts,
    timestamp=st.none() | moments | st.integers(253_402_300_800, 2**64 - 1),
    app_id=st.none() | short_texts,
    content_type=st.none() | short_texts,
    content_encoding=st.none() | short_texts,
    delivery_mode=st.none() | st.integers(0, 255),
    priority=st.none() | st.integers(0, 255),
    expiration=st.none() | short_texts,
    reply_to=st.none() | short_texts,
    user_id=st.none() | short_texts,
    cluster_id=st.none() | short_texts,
    headers=header_tables,
    unreadable=st.none(),
)
"""Messages as strangers may send them."""
