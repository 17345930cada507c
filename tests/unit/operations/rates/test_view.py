"""What keys do to the screen, which queues are taken, and how figures read."""

from datetime import timedelta

import pytest

from tests.unit.operations.rates.api import NOW
from toolkit.operations.rates import Flow, History, Reading, UnknownQueueError, Wanted, flows_of
from toolkit.operations.rates.source import window_of
from toolkit.operations.rates.view import BACKSPACE, ENTER, ESCAPE, View, arranged, pressed
from toolkit.operations.rates.words import columns, duration, rate, remarks, row

A = Flow(queue="a", consumers=1, backlog=5, arrivals=9, completions=1, verdict="never")
B = Flow(
    queue="b", consumers=1, backlog=9, arrivals=1, completions=5, verdict="draining", drains_in=8
)
C = Flow(queue="c.dead", consumers=0, backlog=0, arrivals=0, completions=0, verdict="idle")


def keys(text: str) -> View:
    """A view after these."""
    view = View()
    for key in text:
        view = pressed(view, key)
    return view


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        ("", "b a c.dead"),
        ("p", "a b c.dead"),
        ("c", "b a c.dead"),
        ("Q", "b a c.dead"),
        ("d", "a b c.dead"),
        ("n", "a b c.dead"),
        ("nr", "c.dead b a"),
        ("nrr", "a b c.dead"),
        ("nrp", "a b c.dead"),
        ("/dead", "c.dead"),
        (f"/deaf{BACKSPACE[0]}d{ENTER[0]}n", "c.dead"),
        (f"/dead{ESCAPE}", "b a c.dead"),
        (f"/dead{ENTER[0]}{ESCAPE}", "b a c.dead"),
        ("x\t5", "b a c.dead"),
    ],
)
def test_keys_sort_and_filter(typed: str, order: str) -> None:
    """Largest first; a backlog that never ends is the longest; r turns it round."""
    assert " ".join(flow.queue for flow in arranged([C, A, B], keys(typed))) == order


def test_q_ends_and_space_holds_unless_they_are_typed_into_a_filter() -> None:
    """A queue may have a q in its name."""
    assert keys("q").has_ended
    assert keys(" ").is_paused
    assert not keys("  ").is_paused
    assert keys("/q ").part == "q "
    assert not keys("/q ").has_ended


def test_a_queue_that_has_vanished_stays_on_the_screen() -> None:
    """It is gone, and says so, until somebody ends the program or makes it again."""
    reading = Reading(
        at=NOW, histories=(History(queue="b", consumers=1, ready=1),), measured_by="amqp"
    )
    flows = flows_of(reading, Wanted(), within=60, before=(A, B))
    assert {flow.queue: flow.verdict for flow in flows} == {"b": "unknown", "a": "gone"}
    assert "gone" in row(flows[1])


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), "a.x a.x.dead b.y"),
        (Wanted(patterns=("*.dead",)), "a.x.dead"),
        (Wanted(patterns=("b.y", "a.?")), "a.x b.y"),
        (Wanted({"a.x": 4}, only_declared=True), "a.x"),
        (Wanted({"a.x": 4, "b.y": 1}, ("b*",), only_declared=True), "b.y"),
    ],
)
def test_queues_are_taken_by_service_and_by_pattern(wanted: Wanted, taken: str) -> None:
    """Both have to agree."""
    assert " ".join(filter(wanted.takes, ["a.x", "a.x.dead", "b.y"])) == taken


def test_a_queue_that_was_named_has_to_be_there() -> None:
    """With the name that was probably meant; a pattern may match nothing."""
    Wanted(patterns=("nothing*",)).require(["shop.ship"], "/")
    with pytest.raises(UnknownQueueError, match=r"'shop.shop' .* '/'; did you mean 'shop.ship'\?"):
        Wanted(patterns=("shop.shop",)).require(["shop.ship"], "/")


def test_a_row_has_a_cell_for_each_column() -> None:
    """Also for a queue that is gone."""
    gone = Flow(queue="g", consumers=0, verdict="gone")
    assert {len(row(flow)) for flow in (A, B, C, gone)} == {len(columns(timedelta(minutes=5)))}
    assert columns(timedelta(minutes=5))[-1] == "+ for 5m"
    assert row(B)[-2:] == ("8s", "?")


def test_a_name_can_not_write_on_the_terminal() -> None:
    """A queue is named by whoever may make one."""
    evil = Flow(queue="a\x1b[2Jb", consumers=0)
    assert row(evil)[0] == "a\N{REPLACEMENT CHARACTER}[2Jb"


def test_what_no_counter_explains_is_remarked_on() -> None:
    """In both directions, with the time that it was measured over."""
    flows = [
        Flow(queue="a", consumers=1, otherwise=20.0, measured_over=60),
        Flow(queue="b", consumers=1, otherwise=-3.0, measured_over=25),
    ]
    over, back, away = remarks(flows)
    assert over == "measured over 25s to 1m"
    assert back.startswith("a: 20.0/s of P weren't published")
    assert away.startswith("b: 3.0/s leave without an ack")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0.4ms"),
        (0.85, "850ms"),
        (0.9999, "1s"),
        (4.24, "4.24s"),
        (59.99, "60s"),
        (200, "3m20s"),
        (3599.9, "60m"),
        (18720, "5h12m"),
        (273_600, "3d4h"),
        (1e12, "> 1000d"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    """For reading, not for parsing."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0, "0.0"), (0.0123, "0.012"), (4.26, "4.3"), (123.4, "123"), (12345, "12,345")],
)
def test_a_rate_has_as_many_digits_as_mean_something(value: float | None, text: str) -> None:
    """Per second."""
    assert rate(value) == text


@pytest.mark.parametrize("text", ["3s", "2h", "60", "one minute"])
def test_a_window_is_as_long_as_the_broker_keeps_samples(text: str) -> None:
    """And not shorter than three of them."""
    with pytest.raises(ValueError, match="is not"):
        window_of(text)
    assert window_of("1m") == 60
