"""The toolkit beside its peers: same broker, same run, same messages, alternating order.

Receives a broker from `find_broker`, prints tables; a full run writes docs/benchmarks.md and
docs/benchmarks.png as well. Nothing here is a test: it exits with 0 whatever comes out.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import run
from benchmarks.case import CASES
from benchmarks.contestant import contestants
from benchmarks.report import Setting, draw, page
from benchmarks.stage import Stage
from benchmarks.steps import measure
from toolkit import configure_logging
from toolkit.testing.broker import find_broker

_DOCS = Path(__file__).parents[1] / "docs"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _has_one_of(name: str, parts: Sequence[str]) -> bool:
    return not parts or any(part.lower() in name.lower() for part in parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 B, quorum, one round; no page")
    parser.add_argument("--rounds", type=int, help="3 unless said")
    parser.add_argument(
        "--case", action="append", default=[], help="only cases with this in their name; no page"
    )
    parser.add_argument(
        "--contestant", action="append", default=[], help="only those with this in their name"
    )
    parser.add_argument("--output", type=Path, help="where to put page and picture all the same")
    parser.add_argument("--list", action="store_true", help="name the cases and contestants")
    return parser.parse_args()


def main() -> None:
    """See the module."""
    options = _options()
    configure_logging(level="error")
    cases = [
        case
        for case in CASES
        if _has_one_of(case.name, options.case) and (case.is_quick or not options.quick)
    ]
    players = [one for one in contestants(_say) if _has_one_of(one.name, options.contestant)]
    if options.list or not (cases and players):
        print("\n".join([*(f"--case '{case.name}'" for case in cases), ""]))
        print("\n".join(f"--contestant '{one.name}'" for one in players))
        return
    rounds = options.rounds or (1 if options.quick else 3)
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 4:
        _say(f"This machine is busy (load {load:.1f}): figures will be low, and far apart.")
    with find_broker(_say) as broker, Stage(broker) as stage:
        results = run(stage, cases, players, rounds=rounds, say=_say)
        setting = Setting(broker.description, platform.python_version(), cores, load, rounds)
    if not results.answers:
        print("\n".join(results.failures))
        return
    is_full = not (options.quick or options.case or options.contestant)
    steps = asyncio.run(measure(count=5_000, rounds=15)) if is_full else {}
    written = page(results, setting, steps)
    print(written)
    if output := options.output or (_DOCS if is_full else None):
        output.mkdir(parents=True, exist_ok=True)
        (output / "benchmarks.md").write_text(written)
        draw(results, output / "benchmarks.png")


if __name__ == "__main__":
    main()
