"""What `toolkit capacity` answers, beside a simulation and beside services on a RabbitMQ.

Receives a broker from `find_broker`; writes tables into docs/capacity.md and docs/capacity.png.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from uuid import uuid4

from matplotlib.figure import Figure as Picture

from benchmarks.figure import percentile
from benchmarks.page import DOCS, put
from benchmarks.rehearsal import Rehearsal
from benchmarks.report import table
from benchmarks.simulation import moments, simulated, times, waits
from toolkit import configure_logging
from toolkit.operations.address import Address
from toolkit.operations.capacity.station import Load, Station
from toolkit.operations.rates import Flow, Wanted, flows_of, opened
from toolkit.testing.broker import Broker, find_broker

_SIMULATED = 1_000_000  # messages
_WARM_UP = 5.0  # seconds
_NOTHING = 0.0005  # seconds: a wait that is none
_SEED = 1


@dataclass(frozen=True)
class Case:
    """So many handlers, so busy, with times that vary so much."""

    handlers: int
    busy: float
    cv_arrivals: float = 1.0
    cv_service: float = 1.0

    def load(self, service: float) -> Load:
        """With handlers that have a message for so long."""
        return Load(
            arrivals=self.busy * self.handlers / service,
            service=service,
            cv_arrivals=self.cv_arrivals,
            cv_service=self.cv_service,
        )


SIMULATED = (
    Case(1, 0.8),
    Case(4, 0.7),
    Case(4, 0.9),
    Case(20, 0.9),
    Case(100, 0.95),
    Case(4, 0.8, 1.0, 0.0),
    Case(4, 0.8, 1.0, 0.5),
    Case(4, 0.8, 1.0, 1.5),
    Case(8, 0.9, 0.5, 0.5),
    Case(8, 0.9, 1.5, 1.0),
    Case(8, 0.9, 2.0, 2.0),
    Case(8, 0.5, 0.5, 0.5),
)
ON_RABBITMQ = (Case(2, 0.7), Case(4, 0.7), Case(4, 0.8, 1.0, 0.5), Case(8, 0.8))
_SERVICE = 0.2  # seconds: beside it, the way through the broker is short
_SIDE_BY_SIDE = 8  # queues, so that chance counts less


@dataclass(frozen=True)
class Row:
    """Seconds: mean wait and the 95th percentile, as the formula and as the truth has it."""

    case: Case
    formula: tuple[float, float]
    truth: tuple[float, float]
    by_chance: tuple[float, float] | None = None
    shown: Load | None = None
    load: Load | None = None


def simulate(case: Case) -> Row:
    """A million messages."""
    load = case.load(_SERVICE)
    found = simulated(load, case.handlers, count=_SIMULATED, seed=_SEED)
    return Row(case, _formula(load, case), _figures(found))


def _formula(load: Load, case: Case) -> tuple[float, float]:
    station = Station(load, 1, case.handlers)
    return station.mean_wait, station.wait(95)


def _figures(found: Sequence[float]) -> tuple[float, float]:
    return fmean(found), percentile(found, 95)


@dataclass(frozen=True)
class Run:
    """One queue for some minutes: what happened, and what `capacity --from-queue` began with."""

    rehearsal: Rehearsal
    flow: Flow


async def rehearse(broker: Broker, case: Case, seconds: float) -> Row:
    """Several queues of the same kind at a time, each with chances of its own."""
    seeds = range(_SEED, _SEED + 2 * _SIDE_BY_SIDE, 2)  # a rehearsal takes two
    runs = await asyncio.gather(*(_run(broker, case, seconds, seed=seed) for seed in seeds))
    return _row(case, runs)


async def _run(broker: Broker, case: Case, seconds: float, *, seed: int) -> Run:
    with broker.virtual_host(f"bench-{uuid4().hex[:8]}") as url:
        load = case.load(_SERVICE)
        rehearsal = Rehearsal(url, "tasks", load, concurrency=case.handlers, seed=seed)
        wanted = Wanted({rehearsal.queue: case.handlers}, (rehearsal.queue,))
        address = Address(url, "the benchmark", broker.management_url)
        async with rehearsal.running():
            await rehearsal.send(seconds)
            async with opened(address, wanted, window=600) as source:
                (flow,) = flows_of(await source.read(), wanted, within=600)
    return Run(rehearsal, flow)


def _row(case: Case, runs: Sequence[Run]) -> Row:
    """The formula gets what was measured; `by_chance` is a simulation of these very times."""
    lengths, found, same, rates = list[float](), list[float](), list[float](), list[float]()
    for run in runs:
        record, load, seed = run.rehearsal.record, run.rehearsal.load, run.rehearsal.seed
        sent = sorted(record.sent.values())
        rates.append((len(sent) - 1) / (sent[-1] - sent[0]))
        lengths += [record.done[n] - at for n, at in record.begun.items() if n in record.done]
        found += record.waits(sent[0] + _WARM_UP)
        drawn = waits(
            moments(times(1 / load.arrivals, load.cv_arrivals, Random(seed))),
            times(load.service, load.cv_service, Random(seed + 1)),
            case.handlers,
        )
        same += [next(drawn) for _ in sent]
    measured = Load(
        arrivals=fmean(rates),
        service=fmean(lengths),
        cv_arrivals=case.cv_arrivals,
        cv_service=stdev(lengths) / fmean(lengths),
    )
    shown = Load(
        arrivals=fmean(run.flow.arrivals or 0 for run in runs),
        service=fmean(run.flow.service or 0 for run in runs),
    )
    return Row(case, _formula(measured, case), _figures(found), _figures(same), shown, measured)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="for each case on RabbitMQ")
    parser.add_argument("--write", action="store_true", help="into docs/capacity.md")
    options = parser.parse_args()
    configure_logging(level="error")
    in_theory = [simulate(case) for case in SIMULATED]
    with find_broker(lambda line: print(line, file=sys.stderr)) as broker:
        load = os.getloadavg()[0]
        # One case after the other: side by side they would disturb each other.
        on_rabbitmq = [asyncio.run(rehearse(broker, case, options.seconds)) for case in ON_RABBITMQ]
        where = f"{broker.description}; {os.cpu_count()} cores, load {load:.1f} before"
    parts = [
        f"A simulation of {_SIMULATED:,} messages, {_SERVICE * 1000:g} ms each; waits in ms.\n",
        _table(in_theory),
        f"\nServices on a RabbitMQ, {_SIDE_BY_SIDE} queues for {options.seconds:g} s ({where}).\n",
        _real_table(on_rabbitmq),
        "\nWhat `--from-queue` measured on the same queues:\n",
        _measured_table(on_rabbitmq),
    ]
    text = "\n".join(parts)
    print(text)
    if options.write:
        put(DOCS / "capacity.md", "figures", text)
        draw(in_theory, on_rabbitmq, DOCS / "capacity.png")


_HEAD = ("handlers, busy, Ca, Cs", "mean: formula", "found", "off", "p95: formula", "found", "off")


def _name(case: Case) -> str:
    return f"{case.handlers}, {case.busy:.0%}, {case.cv_arrivals:g}, {case.cv_service:g}"


def _cells(formula: float, truth: float) -> tuple[str, str, str]:
    off = f"{formula / truth - 1:+.0%}" if truth > _NOTHING else "-"
    return f"{formula * 1000:.1f}", f"{truth * 1000:.1f}", off


def _table(rows: Iterable[Row]) -> str:
    cells = [
        [
            _name(row.case),
            *_cells(row.formula[0], row.truth[0]),
            *_cells(row.formula[1], row.truth[1]),
        ]
        for row in rows
    ]
    return table(_HEAD, cells)


def _real_table(rows: Iterable[Row]) -> str:
    cells = [
        [
            _name(row.case),
            *_cells(row.formula[0], row.truth[0]),
            f"{(row.by_chance or (0, 0))[0] * 1000:.1f}",
            *_cells(row.formula[1], row.truth[1]),
            f"{(row.by_chance or (0, 0))[1] * 1000:.1f}",
        ]
        for row in rows
    ]
    head = (*_HEAD[:4], "same times simulated", *_HEAD[4:], "same times simulated")
    return table(head, cells)


def _measured_table(rows: Iterable[Row]) -> str:
    cells = []
    for row in rows:
        assert row.shown is not None
        assert row.load is not None
        shown, load = row.shown, row.load
        cells.append(
            [
                _name(row.case),
                f"{shown.arrivals:.1f}",
                f"{load.arrivals:.1f}",
                f"{shown.arrivals / load.arrivals - 1:+.0%}",
                f"{shown.service * 1000:.1f}",
                f"{load.service * 1000:.1f}",
                f"{shown.service / load.service - 1:+.0%}",
            ]
        )
    head = ("handlers, busy, Ca, Cs", "in/s", "truth", "off", "handling, ms", "truth", "off")
    return table(head, cells)


def draw(in_theory: Iterable[Row], on_rabbitmq: Iterable[Row], path: Path) -> None:
    """Each case a dot: on the line, formula and truth are the same."""
    picture = Picture(figsize=(6, 5), layout="constrained")
    place = picture.subplots()
    for rows, label, mark in ((in_theory, "simulation", "o"), (on_rabbitmq, "on RabbitMQ", "x")):
        points = [
            (truth * 1000, formula * 1000)
            for row in rows
            for truth, formula in zip(row.truth, row.formula, strict=True)
            if truth > _NOTHING
        ]
        place.plot(*zip(*points, strict=True), mark, label=f"{label}: mean and p95")
    ends = [10.0, 5000.0]
    place.plot(ends, ends, color="tab:gray", linewidth=1)
    place.fill_between(
        ends, [end / 1.2 for end in ends], [end * 1.2 for end in ends], color="tab:gray", alpha=0.2
    )
    place.set_xscale("log")
    place.set_yscale("log")
    place.set_xlabel("wait that was found, ms")
    place.set_ylabel("wait by the formula, ms (grey: within 20%)")
    place.legend()
    picture.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
