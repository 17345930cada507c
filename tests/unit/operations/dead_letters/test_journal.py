"""A run that follows one that was cut off knows what that one sent."""

from pathlib import Path

import pytest

from toolkit.operations.dead_letters.journal import Journal, JournalError

BROKER = "amqp://ada:***@localhost/"


def test_a_finished_run_leaves_nothing(tmp_path: Path) -> None:
    """Not even its file."""
    with Journal.open(tmp_path, "replay", BROKER) as journal:
        journal.intend([("a", "m-a", "q")])
        journal.confirm(["a"])
        journal.finish(looked_at=["q"], still_there=[])
    assert list(tmp_path.iterdir()) == []


def cut_off(folder: Path, act: str = "replay", broker: str = BROKER) -> None:
    """A run that had sent three, and the broker's word for one of them."""
    with Journal.open(folder, act, broker) as journal:
        journal.intend([("a", "m-a", "q"), ("b", "m-b", "q"), ("c", "m-c", "r")])
        journal.confirm(["a"])


def test_what_was_confirmed_and_what_may_have_been_is_known(tmp_path: Path) -> None:
    """With the ids, so that a second copy is known for one; a last line may be cut off."""
    cut_off(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text() + '{"confirmed": "b')
    with Journal.open(tmp_path, "replay", BROKER) as journal:
        before = journal.before
        assert (+before.confirmed, +before.uncertain) == ({"a": 1}, {"b": 1, "c": 1})
        assert before.ids["b"] == "m-b"


def test_another_act_and_another_broker_are_another_matter(tmp_path: Path) -> None:
    """Neither read nor removed."""
    cut_off(tmp_path, act="discard")
    cut_off(tmp_path, broker="amqp://elsewhere/")
    with Journal.open(tmp_path, "replay", BROKER) as journal:
        assert not journal.before.queues
        journal.finish(looked_at=["q", "r"], still_there=[])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_under_way_is_left_alone(tmp_path: Path) -> None:
    """It holds its letters itself."""
    with Journal.open(tmp_path, "replay", BROKER) as first:
        first.intend([("a", "m-a", "q")])
        with Journal.open(tmp_path, "replay", BROKER) as second:
            assert not second.before.queues
            second.finish(looked_at=["q"], still_there=[])
    assert len(list(tmp_path.iterdir())) == 1


def test_only_what_was_not_touched_is_remembered(tmp_path: Path) -> None:
    """Letters that are still there, and queues that nobody looked at; what has gone is forgotten,
    because a letter just like it may come again.
    """
    cut_off(tmp_path)
    with Journal.open(tmp_path, "replay", BROKER) as journal:
        journal.finish(looked_at=["q"], still_there=["b"])
    with Journal.open(tmp_path, "replay", BROKER) as journal:
        assert (+journal.before.confirmed, +journal.before.uncertain) == ({}, {"b": 1, "c": 1})
        journal.before.uncertain["b"] -= 1
        journal.finish(looked_at=["q", "r"], still_there=["b"])
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_can_not_be_written_stops_the_act(tmp_path: Path) -> None:
    """Named, with what that means."""
    (tmp_path / "file").write_text("")
    refused = pytest.raises(JournalError, match="can't be written")
    with refused, Journal.open(tmp_path / "file", "replay", BROKER):
        pass
