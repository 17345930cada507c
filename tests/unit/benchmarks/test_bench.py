"""A run, with contestants that need no broker."""

import sys

import pytest

from benchmarks.bench import Results, run
from benchmarks.case import CASES, Case
from benchmarks.contestant import Contestant, together
from benchmarks.message import Order, orders
from benchmarks.stage import Stage
from benchmarks.task import Answer, Task
from toolkit.testing.broker import Broker

CASE = Case(name="publish", action="publish", count=10)
ANSWER = Answer(count=10, began=1.0, ended=3.0, version="7", peak=1.5).to_json()
NO_BROKER = Broker(url="amqp://localhost:1", management_url="", description="none")


def contestant(name: str, program: str) -> Contestant:
    return Contestant(name=name, command=(sys.executable, "-c", program), is_in_memory=True)


def outcome(*contestants: Contestant, rounds: int = 1) -> tuple[Results, list[str]]:
    said: list[str] = []
    results = run(Stage(NO_BROKER), [CASE], contestants, rounds=rounds, say=said.append)
    return results, said


def test_the_last_line_that_a_process_prints_is_its_answer() -> None:
    """Whatever else its library has to say."""
    results, _ = outcome(contestant("talker", f"print('hello'); print({ANSWER!r})"))
    assert results.rates(CASE, "talker") == [5.0]


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("raise ValueError('no such queue')", "ValueError: no such queue"),
        ("", "no answer"),
        ("print('[]')", "argument after ** must be a mapping, not list"),
    ],
)
def test_one_that_fails_is_reported_and_the_others_go_on(program: str, error: str) -> None:
    """With the last words of its process."""
    bad, good = contestant("bad", program), contestant("good", f"print({ANSWER!r})")
    results, _ = outcome(bad, good)
    assert results.contestants() == ["good"]
    (failure,) = results.failures
    assert failure.startswith("publish, bad: ")
    assert failure.endswith(error)


def test_every_second_round_is_played_in_the_other_order() -> None:
    """So that none is always the first after a pause, or the last on a warm machine."""
    program = f"print({ANSWER!r})"
    _, said = outcome(contestant("one", program), contestant("two", program), rounds=2)
    assert [line.split()[2] for line in said] == ["one", "two", "two", "one"]


def test_processes_that_share_the_work_are_measured_from_the_first_to_the_last() -> None:
    """Not by adding up rates that were reached at different times."""
    one = Answer(count=10, began=1.0, ended=3.0, version="7", peak=2.0)
    two = Answer(count=10, began=2.0, ended=5.0, version="7", peak=3.0)
    assert together([one, two]).rate == 5.0
    assert together([one, two]).peak == 3.0


@pytest.mark.parametrize("size", [200, 4_000, 100_000])
def test_a_body_has_just_the_size_that_was_asked_for(size: int) -> None:
    """For the last message as for the first."""
    bodies = [order.model_dump_json() for order in orders(11, size, Order)]
    assert {len(body) for body in bodies} == {size}
    assert len(set(bodies)) == 11


def test_tasks_and_answers_survive_the_command_line() -> None:
    """Both are one line of JSON."""
    task = CASE.task("amqp://localhost/")
    assert Task.from_json(task.to_json()) == task
    assert Answer.from_json(ANSWER).to_json() == ANSWER


def test_cases_have_names_of_their_own() -> None:
    """`--case` and the tables go by them."""
    assert len({case.name for case in CASES}) == len(CASES)
