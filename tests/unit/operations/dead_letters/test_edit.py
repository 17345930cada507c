"""A body is changed where it was asked for, and has to please its contract."""

import json

import pytest

from tests.unit.operations.dead_letters.letters import letter
from toolkit.messages.contract import Event, contract_of
from toolkit.operations.dead_letters.edit import EditError, changed, validated
from toolkit.operations.dead_letters.letter import LetterError


class OrderPlaced(Event, name="orders.placed"):
    total: int


def test_values_are_json_or_text() -> None:
    """Inside of objects and lists, too."""
    new = json.loads(
        changed(
            letter(), ["total=12", "customer.email=bob@example.com", "items.0.sku=b", "new=[1]"]
        )
    )
    assert new == {
        "total": 12,
        "customer": {"email": "bob@example.com"},
        "items": [{"sku": "b"}],
        "new": [1],
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("total", "PATH=VALUE"),
        (
            "costumer.email=x",
            "there is no 'costumer' in the body; there are total, customer, items",
        ),
        ("items.7.sku=x", "there is no '7'"),
        ("total.cents=1", "there is no 'cents'"),
    ],
)
def test_a_path_that_is_not_there_is_refused(change: str, said: str) -> None:
    """A slip of the pen makes no new field somewhere deep down."""
    with pytest.raises(EditError, match=said):
        changed(letter(), [change])


def test_a_body_that_is_no_json_has_no_paths() -> None:
    """It takes a whole new one."""
    with pytest.raises(LetterError, match="--body"):
        changed(letter(b"\xff"), ["a=1"])


def test_the_contract_has_the_last_word() -> None:
    """Without one, the new body must at least be JSON."""
    contract = contract_of(OrderPlaced)
    assert validated(b'{"total":1}', contract) == b'{"total":1}'
    with pytest.raises(EditError, match=r"total.*nothing was changed"):
        validated(b'{"total":"many"}', contract)
    with pytest.raises(EditError, match="nothing was changed"):
        validated(b"{", None)
