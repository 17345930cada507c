"""Bytes become a message or an `UndecodableError`, and a message becomes bytes it can be read from.

The bodies here are what strangers send: broken, hostile, or simply of another shape.
"""

import math
import traceback
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError, field_validator

from tests.unit.orders import OrderPlaced
from toolkit import ContractError, Event, UndecodableError
from toolkit.messages.codec import JsonCodec

codec = JsonCodec()


class Currency(StrEnum):
    """What is paid in."""

    EURO = "EUR"
    DOLLAR = "USD"


class Line(BaseModel):
    """One line of an order."""

    product: str
    quantity: int
    price: Decimal


class Everything(Event, name="everything.happened"):
    """A contract with every kind of field that people use."""

    id: UUID
    lines: tuple[Line, ...]
    currency: Currency
    at: datetime
    on: date
    took: timedelta
    ratio: float
    is_paid: bool
    note: str | None
    labels: dict[str, int]
    kind: Literal["new", "old"]


everything = st.builds(
    Everything,
    lines=st.lists(st.builds(Line, price=st.decimals(-(10**9), 10**9, places=2)), max_size=3).map(
        tuple
    ),
    at=st.datetimes(timezones=st.just(UTC)),
    took=st.timedeltas(timedelta(0), timedelta(days=1_000)),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    labels=st.dictionaries(st.text(), st.integers(), max_size=3),
)


@given(everything)
def test_a_message_is_the_same_after_its_way_through_bytes(message: Everything) -> None:
    """Whatever its fields hold."""
    assert codec.decoder(Everything)(codec.encode(message)) == message


def test_a_body_is_compact_json() -> None:
    """Any program can read it, and nothing in it is there for the eye."""
    assert codec.encode(OrderPlaced(order_id=1, note="ü")) == '{"order_id":1,"note":"ü"}'.encode()
    assert codec.content_type == "application/json"


class Renamed(Event, name="fields.renamed"):
    """A contract whose field is called otherwise on the wire."""

    order_id: int = Field(alias="orderId")


def test_fields_are_called_the_same_on_the_way_out_and_on_the_way_in() -> None:
    """What a contract with an alias writes, it reads."""
    message = Renamed(orderId=1)
    assert codec.encode(message) == b'{"orderId":1}'
    assert codec.decoder(Renamed)(codec.encode(message)) == message


class Measured(Event, name="measured"):
    """A contract with a number."""

    value: float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_never_sent_as_something_else(value: float) -> None:
    """It is refused where it is made, or it arrives as it was."""
    try:
        message = Measured(value=value)
    except ValidationError:
        return
    assert repr(codec.decoder(Measured)(codec.encode(message)).value) == repr(value)


class Loose(Event, name="loose"):
    """A contract that lets everything in."""

    anything: Any


@pytest.mark.parametrize("value", [object(), b"\xff", "\ud800", {1, "a", object()}])
def test_what_can_not_be_written_is_the_contracts_fault(value: object) -> None:
    """A message that no body can hold is a `ContractError`, which names the message."""
    with pytest.raises(ContractError, match="Loose"):
        codec.encode(Loose(anything=value))


WRONG = {
    "nothing": b"",
    "blank": b"  \n",
    "text": b"hello",
    "half": b'{"order_id":',
    "too much": b'{"order_id":1}{"order_id":2}',
    "not UTF-8": b'{"order_id":1,"note":"\xff"}',
    "UTF-16": '{"order_id":1}'.encode("utf-16"),
    "a lone surrogate": rb'{"order_id":1,"note":"\ud800"}',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "an empty object": b"{}",
    "a wrong type": b'{"order_id":"one"}',
    "not a number": b'{"order_id":NaN}',
    "infinity": b'{"order_id":Infinity}',
    "a number without end": b'{"order_id":' + b"9" * 100_000 + b".5}",
    "5 MB of lists": b"[" * 5_000_000,
    "5 MB of objects": b'{"a":' * 1_000_000,
    "5 MB of depth in a field": b'{"order_id":' + b"[" * 5_000_000,
    "5 MB of depth in an unknown field": b'{"order_id":1,"x":' + b"[" * 5_000_000,
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_body_that_is_no_such_message_is_undecodable(body: bytes) -> None:
    """One error for all of them, with a short sentence that names the contract."""
    with pytest.raises(UndecodableError, match=r"^not a OrderPlaced: ") as caught:
        codec.decoder(OrderPlaced)(body)
    assert len(str(caught.value)) < 300


_numbers = st.builds(Measured, value=st.floats(allow_nan=False, allow_infinity=False))


@given(st.one_of(st.binary(), st.text().map(str.encode), _numbers.map(codec.encode)))
def test_bytes_are_a_message_or_undecodable_and_nothing_else(body: bytes) -> None:
    """No bytes at all make the decoder raise another error."""
    try:
        assert isinstance(codec.decoder(Measured)(body), Measured)
    except UndecodableError:
        pass


class Sealed(Event, name="sealed"):
    """A contract whose senders have secrets."""

    pin: int
    scores: dict[str, int] = Field(default_factory=dict)
    shape: Annotated["Circle | Square", Field(discriminator="kind")] | None = None


class Circle(BaseModel):
    """One of two shapes."""

    kind: Literal["circle"]


class Square(BaseModel):
    """The other one."""

    kind: Literal["square"]


def _why_not(body: bytes, model: type[Event] = Sealed) -> UndecodableError:
    with pytest.raises(UndecodableError) as caught:
        codec.decoder(model)(body)
    return caught.value


def test_the_sentence_says_what_is_wrong_where_but_not_with_which_value() -> None:
    """It ends up in logs, where values have no business."""
    error = _why_not(b'{"pin":"hunter2","scores":{"a":"swordfish"}}')
    assert str(error) == (
        "not a Sealed: "
        "pin: Input should be a valid integer, unable to parse string as an integer; "
        "scores.a: Input should be a valid integer, unable to parse string as an integer"
    )


def test_the_sentence_shows_five_problems_and_counts_the_others() -> None:
    """Nobody reads the sixth."""
    scores = ",".join(f'"n{number}":"x"' for number in range(9))
    error = _why_not(b'{"pin":1,"scores":{%s}}' % scores.encode())
    assert str(error).count("valid integer") == 5
    assert str(error).endswith("; and 4 more")


LONG = {
    "a key": b'{"pin":1,"scores":{"%s":"x"}}' % (b"k" * 1_000_000),
    "a tag": b'{"pin":1,"shape":{"kind":"%s"}}' % (b"k" * 1_000_000),
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG)
def test_the_sentence_stays_short_however_long_the_message_is(body: bytes) -> None:
    """Keys and tags of a message may be of any length; what is said of them is not."""
    assert len(str(_why_not(body))) < 2_000


class Listing(Event, name="listing"):
    """A contract with a list."""

    names: list[str]


def test_a_long_list_of_wrong_values_is_not_told_at_length_by_its_cause_either() -> None:
    """What a traceback of the error says is bounded as well: it becomes a header and a log line."""
    error = _why_not(b'{"names":[%s]}' % b",".join([b"1"] * 20_000), Listing)
    assert str(error) == "not a Listing: 20,000 errors"
    assert len("".join(traceback.format_exception(error))) < 100_000


class Careless(Event, name="careless"):
    """A contract whose validator trusts its input."""

    prices: dict[str, int]

    @field_validator("prices")
    @classmethod
    def _positive(cls, prices: dict[str, int]) -> dict[str, int]:
        if 1 / prices["total"] < 0:
            raise ValueError("must be positive")
        return prices


@pytest.mark.parametrize("prices", [b"{}", b'{"total":0}', b'{"total":-1}'])
def test_a_validator_that_stumbles_makes_the_body_undecodable(prices: bytes) -> None:
    """Whatever a user's validator raises over a body, the decoder raises one thing only."""
    assert "Careless" in str(_why_not(b'{"prices":%s}' % prices, Careless))


@pytest.mark.parametrize(
    ("label", "is_json"),
    [
        (None, True),
        ("", True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/json", True),
        ("application/vnd.acme.order+json", True),
        ("text/plain", False),
        ("application/octet-stream", False),
        ("application/jsonp", False),
        ("json", False),
    ],
)
def test_json_is_read_under_all_its_labels_and_no_other(
    label: str | None, *, is_json: bool
) -> None:
    """A body without a label is taken for JSON, because many programs send none."""
    assert codec.accepts(label) is is_json
