"""The page of a run."""

from pathlib import Path

from benchmarks.bench import Results
from benchmarks.case import Case
from benchmarks.report import Setting, draw, page, table
from benchmarks.steps import STEPS
from benchmarks.task import Answer

SETTING = Setting(broker="a broker", python="3.11", cores=2, load=0.1, rounds=2)
PUBLISH = Case(name="publish", action="publish", count=100)
CONSUME = Case(name="consume", action="consume", count=100)
LATENCY = Case(name="latency", action="latency", count=100)
SCALING = Case(name="ten queues", action="consume", count=100, queues=10, is_scaling=True)


def answer(rate: float, waits: tuple[float, ...] = (), *, is_confirmed: bool = True) -> Answer:
    return Answer(
        count=100,
        began=5,
        ended=5 + 100 / rate,
        waits=[*waits],
        is_confirmed=is_confirmed,
        version="1",
        peak=40,
    )


def results() -> Results:
    return Results(
        answers={
            (PUBLISH, "toolkit"): [answer(9_000), answer(11_000)],
            (PUBLISH, "pika"): [answer(2_000, is_confirmed=False)] * 2,
            (CONSUME, "toolkit"): [answer(30_000), answer(30_000)],
            (LATENCY, "toolkit"): [answer(500, (1.0, 2.0, 9.0)), answer(500, (1.0, 4.0, 9.0))],
            (SCALING, "toolkit"): [answer(20_000), answer(20_000)],
        },
        failures=["consume, pika: exit 1: Boom"],
    )


def lines_of(heading: str) -> list[list[str]]:
    section = page(results(), SETTING, {}).split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_rates_are_medians_with_their_spread() -> None:
    """With a dash where a contestant has nothing to show, and a word on what isn't confirmed."""
    head, _, publish, consume = lines_of("Messages per second")
    assert head == ["", "toolkit", "pika"]
    assert publish == ["publish", "10,000 ± 10%", "2,000 ± 0% (unconfirmed)"]
    assert consume == ["consume", "30,000 ± 0%", "-"]


def test_ratios_are_those_of_the_first_contestant_to_each_other() -> None:
    """How many times faster it is."""
    head, _, publish, consume = lines_of("toolkit, times the others")
    assert head == ["", "pika"]
    assert publish == ["publish", "5.0"]
    assert consume == ["consume", "-"]


def test_latency_is_told_in_percentiles() -> None:
    """The median over the rounds of each."""
    assert lines_of("Milliseconds, latency")[2] == ["toolkit", "3.00", "9.00"]


def test_scaling_has_a_table_of_its_own() -> None:
    """Without the peers, who have no part in it."""
    head, _, row = lines_of("Scaling")
    assert head == ["", "toolkit"]
    assert row == ["ten queues", "20,000 ± 0%"]


def test_what_failed_is_on_the_page() -> None:
    """A contestant's error is never hidden."""
    assert "- consume, pika: exit 1: Boom" in page(results(), SETTING, {})


def test_columns_line_up_in_a_terminal() -> None:
    """The page is printed as it is written."""
    lines = table(["", "a"], [["one", "1"], ["three", "22,222"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == "|       |      a |"


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """One place for each case, the last ones empty."""
    draw(results(), tmp_path / "benchmarks.png")
    assert (tmp_path / "benchmarks.png").read_bytes().startswith(b"\x89PNG")


def test_each_step_stands_beside_the_same_work_done_otherwise() -> None:
    """Its ratio says what the toolkit's own way of doing it is worth."""
    found = {step.name: 2.0 if step.beside else 8.0 for step in STEPS}
    written = page(results(), SETTING, found)
    row = next(line for line in written.splitlines() if "frames to deliveries" in line)
    assert "2.00" in row
    assert "0.25 of pamqp reads frames" in row
