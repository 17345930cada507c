"""A siege: services at work, faults one after the other, and the end of it.

Receives a ground and faults, hands the auditor the ledgers, the faults with their times, and what
was left in the queues.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.crew import Crew
from tests.faults.fault import HEARTBEAT, Fault, Scene
from tests.faults.ground import DEAD, QUEUES, Ground
from tests.faults.ledger import Facts

Say = Callable[[str], None]

FLOWS_WITHIN = 60.0  # seconds after which the bench gives up waiting, and says so
_SETTLED_WITHIN = 90.0
_GLANCE, _LOOK = 0.05, 0.2  # seconds between two looks
_QUIET = 10.0  # seconds without progress after which nothing more is expected
_BREATH = (0.5, 1.5)  # seconds between two faults


@dataclass(frozen=True)
class Blow:
    """One fault that was injected, by the machine's monotonic clock."""

    fault: Fault
    began: float
    whole: float
    flowing: float | None  # None: not within the time that the bench waits


@dataclass
class Siege:
    """What happened."""

    version: str
    facts: Facts
    began: float
    ended: float = 0.0
    blows: list[Blow] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    noticed: list[float] = field(default_factory=list)
    exits: list[tuple[str, int, float]] = field(default_factory=list)
    channels: tuple[int, int] = (0, 0)  # open before the first fault, and after the last
    last_exits: list[tuple[str, int]] = field(default_factory=list)


async def lay_siege(
    ground: Ground,
    faults: Iterable[Fault],
    directory: Path,
    *,
    seed: int,
    rate: float,
    say: Say,
) -> Siege:
    """Two publishers and two takers; each fault once they have got over the one before."""
    facts = Facts(directory)
    async with Crew.hired(
        directory,
        ground.url,
        TOOLKIT_HEARTBEAT=f"{HEARTBEAT:g}s",
    ) as crew:
        for _ in range(2):
            await crew.taker()
        siege = Siege(ground.version, facts, began=time.monotonic())
        for _ in range(2):
            await crew.publisher(RATE=str(rate / 2))
        scene = Scene(ground, crew, random.Random(seed), noticed=siege.noticed, exits=siege.exits)
        await _flows(facts, time.monotonic(), "take")
        channels = await ground.channels()
        for fault in faults:
            siege.blows.append(await _strike(fault, scene, facts, say))
            await asyncio.sleep(scene.chance.uniform(*_BREATH))
        siege.ended = time.monotonic()
        siege.channels = channels, await _channels(ground, channels)
        await _end(siege, crew, ground, facts)
    return siege


async def _strike(fault: Fault, scene: Scene, facts: Facts, say: Say) -> Blow:
    began = time.monotonic()
    whole = await fault.inject(scene)
    flowing = await _flows(facts, whole, fault.kind)
    if fault.mend is not None:
        await fault.mend(scene)
    after = "not flowing" if flowing is None else f"flowing {flowing - whole:.2f} s later"
    say(f"{scene.ground.version}: {fault.name}: whole after {whole - began:.2f} s, {after}")
    return Blow(fault, began, whole, flowing)


async def _flows(facts: Facts, moment: float, kind: str) -> float | None:
    """When a message has been both confirmed and handled after that moment."""
    deadline = time.monotonic() + FLOWS_WITHIN
    while time.monotonic() < deadline:
        facts.update()
        flowing = facts.flowing_after(moment, kind)
        if flowing is not None:
            return flowing
        await asyncio.sleep(_GLANCE)
    return None


async def _end(siege: Siege, crew: Crew, ground: Ground, facts: Facts) -> None:
    """Publishers end, what is queued is handled, takers end; then what is left is looked at."""
    for publisher in crew.publishers:
        siege.last_exits.append((publisher.name, await publisher.stop()))
    await _settled(ground, facts)
    for taker in crew.takers:
        siege.last_exits.append((taker.name, await taker.stop()))
    facts.update()
    siege.dead = await ground.take_all(DEAD)
    siege.left = await ground.take_all(QUEUES)


async def _channels(ground: Ground, before: int) -> int:
    """How many are open; whoever was struck last may still be opening its own."""
    deadline = time.monotonic() + _QUIET
    while (now := await ground.channels()) != before and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK)
    return now


async def _settled(ground: Ground, facts: Facts) -> None:
    """Returns once all is handled or dead, or nothing has moved for a while."""
    deadline = time.monotonic() + _SETTLED_WITHIN
    moved_at, before = time.monotonic(), -1
    while time.monotonic() < min(deadline, moved_at + _QUIET):
        facts.update()
        pending = len(facts.pending) - sum([await ground.ready(queue) for queue in DEAD])
        if pending <= 0:
            return
        if pending != before:
            moved_at, before = time.monotonic(), pending
        await asyncio.sleep(_LOOK)
