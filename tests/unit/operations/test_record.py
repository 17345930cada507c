"""A message as a line of JSON is the same message afterwards."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.messages.envelope import Envelope
from toolkit.operations.record import (
    DamagedRecordError,
    Sighting,
    is_record,
    line_of,
    sighting_of,
)
from toolkit.transport.rabbitmq.wire import Opaque

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.binary().map(Opaque)
)
NAMES = st.text(max_size=20) | st.sampled_from(["$bytes", "$time", "$decimal", "$table", "$opaque"])
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.none() | st.text(max_size=20)


@given(
    body=st.binary(),
    headers=st.dictionaries(NAMES, VALUES, max_size=4),
    message_id=TEXTS,
    kind=TEXTS,
    priority=st.none() | st.integers(0, 255),
    exchange=st.text(max_size=20),
    key=st.text(max_size=20),
)
def test_what_comes_back_is_what_was_seen(
    body: bytes,
    headers: dict[str, Any],
    message_id: str | None,
    kind: str | None,
    priority: int | None,
    exchange: str,
    key: str,
) -> None:
    """Byte for byte, and type for type; on one line."""
    envelope = Envelope(
        body,
        message_id=message_id,
        type=kind,
        priority=priority,
        timestamp=MOMENT,
        headers=headers,
    )
    sighting = Sighting(exchange, key, envelope, MOMENT)
    line = line_of(sighting)
    assert "\n" not in line
    assert is_record(json.loads(line))
    assert sighting_of(json.loads(line)) == sighting


def record(**changes: Any) -> dict[str, Any]:
    """A good one, changed."""
    envelope = Envelope(b"{}", headers={"total": Decimal("9.00")})
    good: dict[str, Any] = json.loads(line_of(Sighting("events", "a.b", envelope, MOMENT)))
    return good | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tap": 2}, "its format is 2"),
        ({"exchange": 5}, "exchange is 5"),
        ({"body": None}, "body is None"),
        ({"body_base64": "&"}, "was changed"),
        ({"headers": []}, "was changed"),
        ({"headers": {"a": {"$decimal": "x"}}}, "was changed"),
        ({"properties": {"colour": "red"}}, "no property colour"),
        ({"properties": {"priority": "high"}}, "property priority is 'high'"),
        ({"seen_at": "yesterday"}, "was changed"),
    ],
)
def test_a_damaged_line_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    """It is never taken for another message."""
    with pytest.raises(DamagedRecordError, match=said):
        sighting_of(record(**changes))


@pytest.mark.parametrize("value", [{"order_id": 1}, [], "tap", 5, None, {"tap": 1}])
def test_a_body_is_not_taken_for_a_record(value: object) -> None:
    """It goes through the contract instead."""
    assert not is_record(value)
