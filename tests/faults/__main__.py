"""The long form: sieges with random faults on every broker that can be had, and a page about them.

Receives a number of minutes and a seed, writes docs/faults.md and docs/faults.png. Exits with 1 if
a confirmed message was lost, or handled twice without a reason.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults import promise, report
from tests.faults.audit import Verdict, audit
from tests.faults.fault import IN_A_CLUSTER, ON_ONE_NODE, at_random
from tests.faults.ground import Ground
from tests.faults.place import CLUSTER, SINGLE, PlaceNotFoundError, place
from tests.faults.siege import Siege, lay_siege

_SEED = "TOOLKIT_SEED"
_DOCS = Path(__file__).parents[2] / "docs"
_SHARES = {**dict.fromkeys(SINGLE, 0.4), CLUSTER: 0.2}
_RATES = {**dict.fromkeys(SINGLE, 600.0), CLUSTER: 400.0}  # messages a second


def _say(sentence: str) -> None:
    print(sentence, flush=True)


async def _besiege(
    name: str, minutes: float, seed: int, directory: Path
) -> tuple[Siege, list[str]]:
    faults = IN_A_CLUSTER if name == CLUSTER else ON_ONE_NODE
    chance = random.Random(f"{seed} {name}")
    async with place(name, _say) as ground:
        seconds = minutes * 60 * _SHARES[name]
        siege = await lay_siege(
            ground,
            at_random(faults, chance, seconds=seconds),
            _room(directory),
            seed=seed,
            rate=_RATES[name],
            say=_say,
        )
        return siege, [] if name == CLUSTER else await _promises(ground, directory)


async def _promises(ground: Ground, directory: Path) -> list[str]:
    """The hard cases, each in a room of its own."""
    version = ground.version
    told = [
        report.of_ending(version, await promise.ending_with_full_hands(ground, _room(directory)))
    ]
    for timeout in (promise.PATIENT, promise.IMPATIENT):
        flight = await promise.a_thousand_in_flight(ground, _room(directory), timeout=timeout)
        told.append(report.of_flight(version, timeout, flight))
    for timeout in (promise.PATIENT, promise.IMPATIENT):
        outage = await promise.an_outage(ground, _room(directory), timeout=timeout)
        told.append(report.of_outage(version, timeout, outage))
    for sentence in told:
        _say(sentence)
    return told


def _room(directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=directory))


async def _all(minutes: float, seed: int, directory: Path) -> list[Verdict]:
    sieges: list[Siege] = []
    promises: list[str] = []
    for name in _SHARES:
        try:
            siege, told = await _besiege(name, minutes, seed, directory)
        except PlaceNotFoundError as missing:
            _say(f"left out, {name}: {missing}")
            continue
        sieges.append(siege)
        promises += told
    verdicts = [audit(siege) for siege in sieges]
    page = report.page(sieges, verdicts, promises, seed)
    (_DOCS / "faults.md").write_text(page)
    report.draw(sieges, _DOCS / "faults.png")
    _say(page)
    return verdicts


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    seed = int(os.environ.get(_SEED) or random.randrange(1_000_000))
    _say(f"{_SEED}={seed}")
    directory = Path(tempfile.mkdtemp(prefix="toolkit-faults-"))
    verdicts = asyncio.run(_all(minutes, seed, directory))
    wrong = [message for verdict in verdicts for message in verdict.lost + verdict.unexplained]
    if wrong:
        _say(f"Lost, or twice without a reason: {wrong}. All ledgers and logs are in {directory}.")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
