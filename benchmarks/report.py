"""What a run leaves behind: tables for people, and a picture.

Receives the results of a run, hands back Markdown and writes a PNG.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.bench import Results
from benchmarks.case import Case
from benchmarks.contestant import IN_MEMORY
from benchmarks.figure import Figure, percentile, ratio
from benchmarks.steps import STEPS

NOTHING = "-"
UNCONFIRMED = " (unconfirmed)"

_COLUMNS = 3

_NOTES = """\
- One run, one machine, one broker; contestants take turns, in the other order in every second
  round. Rounds: {rounds}. Each figure is their median, ± half the distance between the lowest and
  the highest. Each contestant has a process of its own, a new one each time.
- All use the same queues, with the same arguments; bodies are JSON, messages persistent. What is
  consumed lies in the queue before the clock starts, which runs from the first message handled to
  the last. Decoded, handled, acked; prefetch 256.
- Every publish is confirmed, unless the table says otherwise: pika's blocking connection waits for
  each confirm, so it can have them one by one only.
- FastStream, aio-pika and pika have no call for many messages. amqplib parses JSON into an object;
  all others validate a pydantic model.
- FastStream logs nothing (`logger=None`); rabbitkit publishes through its batch publisher where
  there is a window. Both declare nothing. amqplib's socket has `noDelay`.
- `toolkit in memory` has no network and writes no disk: the broker is in its process. It has only
  one kind of queue, and its bodies aren't copied.
- Broker and contestant share this machine's {cores} cores. Its load was {load:.1f} in the minute
  before; on a busy machine all figures are low, and far apart.
"""


@dataclass(frozen=True)
class Setting:
    """What a run took place on."""

    broker: str
    python: str
    cores: int
    load: float
    """How many programs ran or waited in the minute before (`os.getloadavg`)."""
    rounds: int


def page(results: Results, setting: Setting, steps: Mapping[str, float]) -> str:
    """All of it, as Markdown; `steps` are those of `benchmarks.steps`."""
    compared = results.cases(lambda case: not case.is_scaling and case.action != "latency")
    names = results.contestants()
    versions = ", ".join(f"{name} {_version(results, name)}" for name in names)
    parts = [
        "# Benchmarks\n\nMade by `make bench`, not by hand.\n\n![Bars](benchmarks.png)\n",
        f"{setting.broker}; Python {setting.python}; {setting.cores} cores. {versions}.\n",
        "## Messages per second\n",
        _table(compared, names, lambda case, name: _rate(results, case, name)),
        f"## {names[0]}, times the others\n",
        _table(compared, names[1:], lambda case, name: _times(results, case, names[0], name)),
        *_latency(results),
        *_scaling(results),
        "## Peak memory of the process, MB\n",
        _table(compared, names, lambda case, name: _peak(results, case, name)),
        *_steps(steps),
        "## How\n",
        _NOTES.format(rounds=setting.rounds, cores=setting.cores, load=setting.load),
        *_failures(results),
    ]
    return "\n".join(parts)


def _latency(results: Results) -> list[str]:
    cases = results.cases(lambda case: case.action == "latency")
    rows = [
        [
            name + _mark(results, case, name),
            *(f"{_wait(results, case, name, percent):.2f}" for percent in (50, 99)),
        ]
        for case in cases
        for name in results.contestants()
        if results.of(case, name)
    ]
    head = ["from publish to handler", "p50", "p99"]
    return [f"## Milliseconds, {cases[0].name}\n", table(head, rows)] if rows else []


def _scaling(results: Results) -> list[str]:
    cases = results.cases(lambda case: case.is_scaling)
    names = [n for n in results.contestants() if any(results.of(case, n) for case in cases)]
    cells = _table(cases, names, lambda case, name: _rate(results, case, name))
    return ["## Scaling: messages per second, 200 B, quorum\n", cells] if cases else []


def _steps(found: Mapping[str, float]) -> list[str]:
    """What each step of the walks takes, beside the same work done otherwise."""
    if not found:
        return []
    rows = [
        (
            step.name,
            f"{found[step.name]:.2f}",
            f"{found[step.name] / found[step.beside]:.2f} of {step.beside.partition(': ')[2]}"
            if step.beside
            else "",
        )
        for step in STEPS
    ]
    return [
        "## Where the time goes: microseconds a message, without a broker\n",
        table(("step", "µs", "ratio"), rows) + "\n",
    ]


def _failures(results: Results) -> list[str]:
    lines = "".join(f"- {failure}\n" for failure in results.failures)
    return ["## Failed\n", lines] if lines else []


def _table(cases: Sequence[Case], names: Sequence[str], cell: Callable[[Case, str], str]) -> str:
    return table(
        ["", *names], [[case.name, *(cell(case, name) for name in names)] for case in cases]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in a terminal, too; all but the first to the right."""
    widths = [max(3, *map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        for line in (head, rule, *rows)
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rate(results: Results, case: Case, name: str) -> str:
    figure = Figure.of(results.rates(case, name))
    if figure is None:
        return NOTHING
    spread = f" ± {figure.spread / 2:.0%}" if len(results.of(case, name)) > 1 else ""
    return f"{figure.median:,.0f}{spread}{_mark(results, case, name)}"


def _mark(results: Results, case: Case, name: str) -> str:
    is_confirmed = all(answer.is_confirmed for answer in results.of(case, name))
    return "" if is_confirmed else UNCONFIRMED


def _times(results: Results, case: Case, ours: str, theirs: str) -> str:
    figure = ratio(results.rates(case, ours), results.rates(case, theirs))
    return f"{figure.median:.1f}" if figure else NOTHING


def _peak(results: Results, case: Case, name: str) -> str:
    figure = Figure.of([answer.peak for answer in results.of(case, name)])
    return f"{figure.median:.0f}" if figure else NOTHING


def _wait(results: Results, case: Case, name: str, percent: float) -> float:
    figure = Figure.of([percentile(a.waits, percent) for a in results.of(case, name)])
    return figure.median if figure else 0.0


def _version(results: Results, contestant: str) -> str:
    return next(a[0].version for (_, name), a in results.answers.items() if name == contestant)


def draw(results: Results, path: Path) -> None:
    """Bars: one picture for each kind of work at 200 B on a quorum queue, and one for latency.

    What is in memory is left out: its bars would dwarf all others.
    """
    cases = results.cases(lambda case: case.is_quick)
    rows = -(-len(cases) // _COLUMNS)
    picture = Picture(figsize=(15, 3.4 * rows), layout="constrained")
    places = list(picture.subplots(rows, _COLUMNS, squeeze=False).flat)
    for place in places[len(cases) :]:
        place.set_axis_off()
    for case, place in zip(cases, places, strict=False):
        names = [name for name in results.contestants() if results.of(case, name)][::-1]
        names = [name for name in names if name != IN_MEMORY]
        labels = [name + _mark(results, case, name).replace(" ", "\n") for name in names]
        if case.action == "latency":
            waits = [_wait(results, case, name, 99) for name in names]
            _bars(place, labels, waits, "milliseconds, p99: less is better")
        else:
            figures = [Figure.of(results.rates(case, name)) for name in names]
            _bars(place, labels, [f.median if f else 0.0 for f in figures], "messages a second")
        place.set_title(case.name, loc="left", fontsize=10)
    picture.savefig(path, dpi=80)


def _bars(place: Axes, names: Sequence[str], values: Sequence[float], unit: str) -> None:
    colours = ["tab:green" if name.startswith("toolkit") else "tab:gray" for name in names]
    bars = place.barh(names, values, color=colours)
    place.bar_label(bars, fmt="{:,.1f}" if max(values) < 1000 else "{:,.0f}", padding=3)
    place.margins(x=0.2)
    place.set_xlabel(unit)
