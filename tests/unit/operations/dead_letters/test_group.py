"""What belongs together is found together, and a slip in a name is no empty selection."""

import pytest

from tests.unit.operations.dead_letters.letters import letter
from toolkit.messages import headers as wire
from toolkit.operations.dead_letters.expression import Filter
from toolkit.operations.dead_letters.group import By, grouped
from toolkit.operations.dead_letters.letter import LetterError
from toolkit.operations.dead_letters.selection import Selection

MANY = [
    letter(message_id="a"),
    letter(message_id="b", headers={wire.FAILED_AT: "2026-11-24T04:59:00.000+00:00"}),
    letter(message_id="c", headers={wire.ERROR_FINGERPRINT: "0" * 16}, type="orders.cancelled"),
]


@pytest.mark.parametrize(
    ("by", "counts"),
    [
        ("fingerprint", {"3f1c9a7be0d24468": 2, "0" * 16: 1}),
        ("consumer", {"billing ChargeConsumer": 3}),
        ("type", {"orders.placed": 2, "orders.cancelled": 1}),
        ("time", {"2026-11-24 03:00Z": 2, "2026-11-24 04:00Z": 1}),
    ],
)
def test_letters_are_grouped(by: By, counts: dict[str, int]) -> None:
    """The largest group first."""
    groups = grouped(MANY, by)
    assert {group.key: group.count for group in groups} == counts
    assert [group.count for group in groups] == sorted(counts.values(), reverse=True)


def test_a_group_shows_its_newest_letter() -> None:
    """Wherever it lies in the queue."""
    assert grouped(reversed(MANY))[0].newest.id == "b"


def test_letters_are_chosen() -> None:
    """By all conditions together, in their order."""
    assert [one.id for one in Selection(ids=("c", "a")).of(MANY)] == ["a", "c"]
    assert [one.id for one in Selection(group="0" * 16).of(MANY)] == ["c"]
    assert [one.id for one in Selection(where=Filter.parse("id > 'a'"), limit=1).of(MANY)] == ["b"]


def test_what_is_not_there_is_no_empty_selection() -> None:
    """An id or a group with a slip in it is refused, with what may have been meant."""
    with pytest.raises(LetterError, match=r"no letter with the id 'x' \(and 1 more\)"):
        Selection(ids=("x", "y")).of(MANY)
    with pytest.raises(LetterError, match="did you mean 3f1c9a7be0d24468"):
        Selection(group="3f1c").of(MANY)
