"""One service on the broker in memory and on RabbitMQ, and a million messages through the former.

Receives a broker from `find_broker`, prints messages per second through both walks, their ratio,
and how much memory the process holds on the way.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import time
from pathlib import Path
from uuid import uuid4

from benchmarks.__main__ import WINDOW, BenchEvents, Count, order
from toolkit import Service, Settings, configure_logging
from toolkit.testing.broker import find_broker

MILLION = 1_000_000


async def through(url: str, count: int) -> float:
    """Messages published, confirmed, handled and acked per second, by one service."""
    consumer = Count(count)
    service = Service(
        "bench", consumers=[consumer], producers=[BenchEvents], settings=Settings(amqp_url=url)
    )
    messages = [order() for _ in range(min(count, 10_000))]
    async with service:
        events = BenchEvents(service)
        started = time.perf_counter()
        for begin in range(0, count, len(messages)):
            report = await events.placed.many(messages[: count - begin], window=WINDOW)
            report.raise_for_failures()
            if count >= MILLION and begin % (count // 10) == 0:
                print(f"{begin:>9,} published: {held_now():6.1f} MB held")
        await consumer.is_over.wait()
        return count / (time.perf_counter() - started)


def held_now() -> float:
    """Resident memory of this process in MB (proc(5), statm: in pages)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def compare(url: str, count: int, rounds: int) -> None:
    """Both sides, in alternating order."""
    speeds: dict[str, list[float]] = {url: [], "memory://": []}
    for turn in range(rounds):
        for side in list(speeds)[:: 1 if turn % 2 else -1]:
            speeds[side].append(asyncio.run(through(side, count)))
    rabbit, memory = (statistics.median(speed) for speed in speeds.values())
    ratios = [m / r for r, m in zip(*speeds.values(), strict=True)]
    print(f"messages per second   memory {memory:,.0f}   RabbitMQ {rabbit:,.0f}")
    print(f"ratio {memory / rabbit:.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")


if __name__ == "__main__":
    configure_logging(level="error")
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    arguments.add_argument("--count", type=int, default=10_000, help="messages in each round")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with find_broker(lambda line: print(line, file=sys.stderr)) as broker:
        print(broker.description)
        with broker.virtual_host(f"bench-{uuid4().hex[:8]}") as vhost:
            compare(vhost, options.count, options.rounds)
    speed = asyncio.run(through("memory://", MILLION))
    print(f"a million in memory: {speed:,.0f} a second, {held_now():.1f} MB held at the end")
