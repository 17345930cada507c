"""The auditor: what became of every message that was confirmed.

Receives a siege, hands the report its verdict. A message is lost if it was confirmed and is
neither handled, nor a dead letter, nor still in a queue; unless its queue was deleted with it. One
that was handled twice is explained if a fault took the ack of an earlier run, or the confirm of
the copy that was to be tried again, or the confirm that would have kept its publisher from
publishing it once more.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.fault import HEARTBEAT, LINK_FROZEN
from tests.faults.ledger import Handling, kind_of
from tests.faults.siege import Blow, Siege

QUEUED = 1.0
"""Seconds that a message may lie in a queue beyond those that were handled last."""
_UNNOTICED = 3 * HEARTBEAT
"""Seconds until the broker, too, has given up a connection that was frozen. Until then it holds,
for a consumer that is no more, what it has handed out.
"""
_LAST = 20  # handlings before a queue was deleted, by which its backlog is known

ACK_WINDOW = 0.5
"""Seconds from the beginning of a run until its ack, or its copy for a further try, is surely with
the broker, unless a fault is in the way."""


@dataclass
class Line:
    """What one kind of fault did, all its times together."""

    name: str
    times: int = 0
    confirmed: int = 0
    lost: int = 0
    twice: int = 0
    gap: float = 0.0
    flowing: float = 0.0


@dataclass
class Verdict:
    """What the ledgers say of one siege."""

    version: str
    blows: int
    confirmed: int
    refused: int
    unknown: int
    handled: int
    dead: int
    left: int
    deleted: int
    lost: list[str]
    twice: int
    unexplained: list[str]
    lines: dict[str, Line] = field(default_factory=dict)


def audit(siege: Siege) -> Verdict:
    """Look at every message."""
    facts = siege.facts
    missing = facts.confirmed.keys() - facts.handled.keys() - set(siege.dead) - set(siege.left)
    deleted = {message for message in missing if _went_with_its_queue(message, siege)}
    twice = {message: times for message, times in facts.handled.items() if len(times) > 1}
    causes = {message: _cause(message, sorted(times), siege) for message, times in twice.items()}
    verdict = Verdict(
        version=siege.version,
        blows=len(siege.blows),
        confirmed=len(facts.confirmed),
        refused=len(facts.refused),
        unknown=len(facts.unknown),
        handled=len(facts.handled),
        dead=len(siege.dead),
        left=len(siege.left),
        deleted=len(deleted),
        lost=sorted(missing - deleted),
        twice=len(twice),
        unexplained=sorted(message for message, cause in causes.items() if cause is None),
    )
    _fill_lines(verdict, siege, Counter(c.fault.name for c in causes.values() if c is not None))
    return verdict


def _went_with_its_queue(message: str, siege: Siege) -> bool:
    """Whether its queue was deleted while it may have been there."""
    came = siege.facts.confirmed[message]
    return kind_of(message) == "note" and any(
        blow.began - max(_backlog(blow, siege), _held(blow, siege)) - QUEUED < came < blow.whole
        for blow in siege.blows
        if blow.fault.kind == "note"
    )


def _backlog(blow: Blow, siege: Siege) -> float:
    """Seconds that messages had lain in the queue when it was deleted: since those were confirmed
    that were handled last.
    """
    confirmed = siege.facts.confirmed
    notes = [h for h in siege.facts.handlings if kind_of(h.message) == "note"]
    before = sorted((h for h in notes if h.at < blow.began), key=lambda handling: handling.at)
    waited = (blow.began - confirmed.get(h.message, blow.began) for h in before[-_LAST:])
    return max(waited, default=0.0)


def _held(blow: Blow, siege: Siege) -> float:
    """Seconds that messages may have been with a consumer behind a frozen link, if one was."""
    frozen = (other for other in siege.blows if other.fault is LINK_FROZEN)
    return max(
        (
            blow.began - other.began
            for other in frozen
            if other.began < blow.began < other.whole + _UNNOTICED
        ),
        default=0.0,
    )


def _cause(message: str, times: list[Handling], siege: Siege) -> Blow | None:
    """The fault that took an ack or a confirm of this message."""
    facts, second = siege.facts, times[-1].at
    runs = [run.at for run in facts.begun[message] if run.at < second]
    sent = facts.sending[message]
    known = facts.confirmed.get(message) or facts.unknown.get(message) or second
    for blow in siege.blows:
        if not blow.fault.may_repeat or second < blow.began:
            continue
        over = blow.whole if blow.flowing is None else blow.flowing
        takes_ack = any(run + ACK_WINDOW >= blow.began and run <= over for run in runs)
        takes_confirm = known >= blow.began and sent <= over
        if takes_ack or takes_confirm:
            return blow
    return None


def _fill_lines(verdict: Verdict, siege: Siege, twice: Counter[str]) -> None:
    confirms = sorted(siege.facts.confirmed.values())
    lost = sorted(siege.facts.confirmed[message] for message in verdict.lost)
    handlings = {
        kind: [h.at for h in siege.facts.handlings if kind_of(h.message) == kind]
        for kind in ("take", "note")
    }
    ends = [blow.began for blow in siege.blows[1:]] + [siege.ended]
    for blow, end in zip(siege.blows, ends, strict=True):
        line = verdict.lines.setdefault(blow.fault.name, Line(blow.fault.name))
        line.times += 1
        line.confirmed += _between(confirms, blow.began, end)
        line.lost += _between(lost, blow.began, end)
        line.twice = twice[blow.fault.name]
        line.gap = max(line.gap, _longest_gap(handlings[blow.fault.kind], blow.began, end))
        flowing = float("inf") if blow.flowing is None else blow.flowing - blow.whole
        line.flowing = max(line.flowing, flowing)


def _between(times: list[float], start: float, end: float) -> int:
    return bisect_right(times, end) - bisect_left(times, start)


def _longest_gap(times: list[float], start: float, end: float) -> float:
    """Seconds without a handling, for gaps that end in this time."""
    first, last = max(bisect_left(times, start) - 1, 0), bisect_right(times, end)
    around = times[first:last]
    return max((b - a for a, b in pairwise(around)), default=0.0)
