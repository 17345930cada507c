"""Hard cases, one at a time, with figures that show whether a promise holds.

Receives a ground from the short form or the long one, hands back what was measured there.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.crew import Crew
from tests.faults.ground import DEAD, QUEUES, TAKE, Ground
from tests.faults.ledger import Facts
from tests.hostile.waiting import eventually

AT_ONCE, WAITING = 200, 5_000
IN_FLIGHT = 1_000
OUTAGE = 20.0  # seconds
PATIENT, IMPATIENT = 40.0, 5.0  # seconds, beside an outage of that length

_HANDLING = 4.0  # seconds, for what is running when its process is asked to end
_LATENCY = 0.5  # seconds, so that a thousand publishes are under way at a time
_LONG = 60.0


@dataclass(frozen=True)
class Ending:
    """A process asked to end while it has its hands full."""

    running: int
    finished: int  # of these, by itself
    again: int  # of these, delivered once more, to whomever
    free_after: float  # seconds until all that waited was there for others
    by_the_other: int  # messages that another process handled then
    exit_code: int
    seconds: float


async def ending_with_full_hands(ground: Ground, directory: Path) -> Ending:
    """200 handlers run and 5,000 messages wait when SIGTERM comes."""
    facts = Facts(directory)
    async with Crew.hired(directory, ground.url) as crew:
        first = await crew.taker(AT_ONCE=str(AT_ONCE), SECONDS_EACH=str(_HANDLING))
        await first.stop()  # its queue is there now
        many = AT_ONCE + WAITING
        publisher = await crew.publisher(RATE="5000", MOST=str(many), PLAIN="1")
        await _until(facts, lambda: len(facts.confirmed) == many)
        await publisher.stop()
        await first.start()
        await first.started()
        await _until(facts, lambda: len(facts.begun) == AT_ONCE)
        first.signal(signal.SIGTERM)
        asked = time.monotonic()
        while await ground.ready(TAKE) < WAITING and time.monotonic() < asked + _LONG:
            pass
        free_after = time.monotonic() - asked
        running = set(facts.begun)
        other = await crew.taker(SECONDS_EACH="0")
        code = await first.ended()
        seconds = time.monotonic() - asked
        await _until(facts, lambda: not facts.pending)
        await other.stop()
    facts.update()
    return Ending(
        running=len(running),
        finished=sum(facts.handled[message][0].process == first.run for message in running),
        again=sum(len(facts.begun[message]) > 1 for message in running),
        free_after=free_after,
        by_the_other=sum(handling.process == other.run for handling in facts.handlings),
        exit_code=code,
        seconds=seconds,
    )


@dataclass(frozen=True)
class InFlight:
    """What became of the publishes that waited for their confirms when the broker died."""

    outstanding: int
    confirmed: int
    refused: int
    unknown: int
    lost: int


async def a_thousand_in_flight(ground: Ground, directory: Path, *, timeout: float) -> InFlight:
    """The broker is killed while a thousand publishes wait for their confirms, each with this much
    patience, in seconds.
    """
    facts = Facts(directory)
    async with Crew.hired(directory, ground.url, TOOLKIT_PUBLISH_TIMEOUT=f"{timeout:g}s") as crew:
        taker = await crew.taker()
        for link in ground.links:
            link.delay = _LATENCY
        publisher = await crew.publisher(RATE="5000", WINDOW=str(IN_FLIGHT), PLAIN="1")
        await _until(facts, lambda: len(facts.outstanding) >= IN_FLIGHT)
        await asyncio.to_thread(ground.broker.kill)
        publisher.signal(signal.SIGTERM)  # what is under way has to end; nothing further begins
        facts.update()
        outstanding = facts.outstanding
        for link in ground.links:
            link.delay = 0.0
        await ground.start(ground.broker)
        await publisher.ended()
        await taker.stop()
    facts.update()
    missing = facts.pending - set(await ground.take_all((*QUEUES, *DEAD)))
    return InFlight(
        outstanding=len(outstanding),
        confirmed=len(outstanding & facts.confirmed.keys()),
        refused=len(outstanding & facts.refused.keys()),
        unknown=len(outstanding & facts.unknown.keys()),
        lost=len(missing),
    )


@dataclass(frozen=True)
class Outage:
    """What became of publishes that began while nobody could be reached."""

    begun: int
    confirmed: int
    unknown: int
    longest: float  # seconds until one of them returned or raised


async def an_outage(ground: Ground, directory: Path, *, timeout: float) -> Outage:
    """20 seconds without a broker, for publishes with this much patience, in seconds."""
    facts = Facts(directory)
    async with Crew.hired(directory, ground.url, TOOLKIT_PUBLISH_TIMEOUT=f"{timeout:g}s") as crew:
        await crew.taker()
        await crew.publisher(RATE="20", WINDOW="500", PLAIN="1")
        await _until(facts, lambda: len(facts.confirmed) > 20)
        began = time.monotonic()
        for link in ground.links:
            link.refuse()
        await asyncio.sleep(OUTAGE)
        for link in ground.links:
            link.accept()
        over = time.monotonic()
        facts.update()
        during = {message for message, at in facts.sending.items() if began <= at <= over}
        await _until(facts, lambda: not during & facts.outstanding)
    ends = facts.confirmed | facts.unknown | facts.refused
    await ground.take_all((*QUEUES, *DEAD))
    return Outage(
        begun=len(during),
        confirmed=len(during & facts.confirmed.keys()),
        unknown=len(during & facts.unknown.keys()),
        longest=max(ends[message] - facts.sending[message] for message in during),
    )


async def _until(facts: Facts, condition: Callable[[], bool]) -> None:
    def is_so() -> bool:
        facts.update()
        return condition()

    await eventually(is_so, within=_LONG)
