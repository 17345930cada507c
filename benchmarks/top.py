"""What `toolkit top` shows, beside what really went through queues under a known load.

Receives a broker from `find_broker`; writes a table into docs/commands/top.md.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

from benchmarks.page import DOCS, put
from benchmarks.rehearsal import Rehearsal, count
from benchmarks.report import table
from toolkit import configure_logging
from toolkit.operations.address import Address
from toolkit.operations.capacity.station import Load
from toolkit.operations.rates import Flow, Wanted, flows_of, opened
from toolkit.testing.broker import Broker, find_broker

_MINUTE = 60.0
_RUN_UP = 15.0  # seconds before the minute that is measured
_SERVICE = 0.05  # seconds
_GLANCE = 0.2  # seconds


@dataclass(frozen=True)
class Case:
    """A queue with so many messages in it, and what comes and goes in a second."""

    name: str
    arrivals: float
    handlers: int
    filled: int = 0

    def load(self) -> Load:
        """Handlers that have a message for 50 ms, more or less."""
        return Load(arrivals=self.arrivals, service=_SERVICE)


CASES = (
    Case("keeping up", 40, 4),
    Case("growing", 90, 3),
    Case("draining", 20, 3, filled=6000),
)


@dataclass(frozen=True)
class Row:
    """What was shown, and the truth: rates over the same minute, backlog, seconds to drain."""

    case: Case
    flow: Flow
    arrivals: float
    completions: float
    backlog: int
    drained_after: float | None


async def rehearse(broker: Broker, case: Case) -> Row:
    """More than a minute of load, one look, and then wait for what was foretold."""
    with broker.virtual_host(f"bench-{uuid4().hex[:8]}") as url:
        rehearsal = Rehearsal(url, "tasks", case.load(), concurrency=case.handlers, seed=1)
        wanted = Wanted({rehearsal.queue: rehearsal.concurrency}, (rehearsal.queue,))
        address = Address(url, "the benchmark", broker.management_url)
        async with rehearsal.running():
            await rehearsal.fill(case.filled)
            sending = asyncio.create_task(rehearsal.send(4 * _MINUTE))
            await asyncio.sleep(_RUN_UP + _MINUTE)
            async with opened(address, wanted, window=_MINUTE) as source:
                flow = flows_of(await source.read(), wanted, within=600)[0]
            now, record = monotonic(), rehearsal.record
            backlog = record.backlog(now)
            rates = [
                count(when, now - _MINUTE, now) / _MINUTE for when in (record.sent, record.done)
            ]
            drained = None
            if flow.drains_in is not None:
                drained = await _drained(rehearsal, sending) - now
            sending.cancel()
            await asyncio.wait({sending})
    return Row(case, flow, rates[0], rates[1], backlog, drained)


async def _drained(rehearsal: Rehearsal, sending: asyncio.Task[None]) -> float:
    """When all that was left was being handled; or the end of the sending, if that came first."""
    for _ in range(round(4 * _MINUTE / _GLANCE)):
        if rehearsal.record.backlog(monotonic()) <= rehearsal.concurrency or sending.done():
            break
        await asyncio.sleep(_GLANCE)
    return monotonic()


async def _all(broker: Broker) -> Sequence[Row]:
    return await asyncio.gather(*(rehearse(broker, case) for case in CASES))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.top", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/commands/top.md")
    options = parser.parse_args()
    configure_logging(level="error")
    with find_broker(lambda line: print(line, file=sys.stderr)) as broker:
        load = os.getloadavg()[0]
        rows = asyncio.run(_all(broker))
        where = f"{broker.description}; {os.cpu_count()} cores, load {load:.1f} before"
    text = f"One look after {_RUN_UP + _MINUTE:g} s of load ({where}).\n\n{_table(rows)}"
    print(text)
    if options.write:
        put(DOCS / "commands" / "top.md", "figures", text)


def _table(rows: Sequence[Row]) -> str:
    cells = [
        [
            row.case.name,
            *_pair(row.flow.arrivals or 0, row.arrivals),
            *_pair(row.flow.completions or 0, row.completions),
            *_pair(row.flow.backlog or 0, row.backlog, of_note=row.case.arrivals),
            row.flow.verdict if row.flow.drains_in is None else f"{row.flow.drains_in:.0f} s",
            "-" if row.drained_after is None else f"{row.drained_after:.0f} s",
            "-"
            if row.drained_after is None or row.flow.drains_in is None
            else f"{row.flow.drains_in / row.drained_after - 1:+.0%}",
        ]
        for row in rows
    ]
    head = ("queue", "P", "truth", "off", "C", "truth", "off", "Q", "truth", "off")
    return table((*head, "drains in", "truth", "off"), cells)


def _pair(shown: float, truth: float, *, of_note: float = 0.0) -> tuple[str, str, str]:
    """A backlog of less than a second's arrivals is no backlog, and has no percentage."""
    off = f"{shown / truth - 1:+.0%}" if truth > of_note else "-"
    return f"{shown:,.4g}", f"{truth:,.4g}", off


if __name__ == "__main__":
    main()
