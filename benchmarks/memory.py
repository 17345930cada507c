"""A million messages through one process: how much memory it holds on the way.

Receives a broker in memory, or from `find_broker` with `--rabbitmq`; prints a line for each tenth.
"""

import argparse
import asyncio
import resource
import sys
import time
from pathlib import Path
from uuid import uuid4

from benchmarks.contestants.toolkit import OrderEvents, OrderPlaced, Take, bench
from benchmarks.measure import Tally
from benchmarks.message import orders
from benchmarks.task import Task
from toolkit import configure_logging
from toolkit.testing.broker import find_broker

_AT_ONCE = 10_000  # messages made beforehand


async def through(url: str, count: int) -> None:
    """Publish, confirm, handle and ack so many messages."""
    task = Task(action="publish", url=url, count=count, size=200)
    tally = Tally(count)
    messages = list(orders(min(count, _AT_ONCE), task.size, OrderPlaced))
    async with bench(task, Take(task, tally.count)) as service:
        events = OrderEvents(service)
        began = time.perf_counter()
        for published in range(0, count, len(messages)):
            report = await events.placed.many(messages[: count - published])
            report.raise_for_failures()
            if published % (count // 10) < len(messages):
                print(f"{published:>9,} published: {_held():6.1f} MB held", flush=True)
        await tally.is_over.wait()
        speed = count / (time.perf_counter() - began)
    print(f"{count:,} messages: {speed:,.0f} a second, {_held():.1f} MB held at the end")


def _held() -> float:
    """Resident memory of this process in MB (proc(5), statm: in pages)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    configure_logging(level="error")
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    arguments.add_argument("--count", type=int, default=1_000_000)
    arguments.add_argument("--rabbitmq", action="store_true", help="not in memory, but through one")
    options = arguments.parse_args()
    if options.rabbitmq:
        with (
            find_broker(lambda line: print(line, file=sys.stderr)) as broker,
            broker.virtual_host(f"bench-{uuid4().hex[:8]}") as vhost,
        ):
            asyncio.run(through(vhost, options.count))
    else:
        asyncio.run(through("memory://", options.count))
