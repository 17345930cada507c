"""Random deadlines on the broker in memory and on RabbitMQ.

A real broker takes its time, so many queues live side by side, and everything happens on the
ticks of one clock. Times to live end a quarter of a tick away from any tick at least, so nothing
hangs on a few milliseconds; where the machine was too busy to keep the beat, a scenario doesn't
count.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.conformance.brokers.comparison import EXAMPLES, Pool, check, declare, scenarios, shown
from tests.conformance.brokers.driver import Memory, Rabbit, RawBroker, Seen
from tests.conformance.tally import SCENARIOS, Record

TICK = 240  # milliseconds
SHORT, LONG, LONGER = 360, 600, 840  # a tick and a half, and so on
AFTERLIFE = 420  # a tick and three quarters, for what arrives on a tick or between two
SLACK = 0.045  # seconds that a step may be late
TICKS = 6
TRIES = math.ceil(EXAMPLES / 40)  # each has as many lives as there are slots, and takes a second


def slots() -> Pool:
    """Queues of both types with and without a time, each with one for its dead letters."""
    pool: Pool = {}
    for kind in ("quorum", "classic"):
        for ttl in (None, SHORT, LONG):
            for then in (None, AFTERLIFE):
                name = f"{kind}.{ttl}.{then}"
                dead: dict[str, Any] = {"queue_type": kind}
                pool[f"{name}.dead"] = dead | ({"message_ttl": then} if then else {})
                here = dead | {
                    "dead_letter_exchange": "",
                    "dead_letter_routing_key": f"{name}.dead",
                }
                pool[name] = here | ({"message_ttl": ttl} if ttl else {})
    return pool


NAMES = [name for name in slots() if not name.endswith("dead")]

Step = tuple[str, str | None]
steps = st.one_of(
    st.just(("nothing", None)),
    st.tuples(st.just("publish"), st.sampled_from([None, f"{SHORT}", f"{LONG}", f"{LONGER}"])),
    st.sampled_from([("get", None), ("get", None), ("nack", None), ("discard", None)]),
)
scripts = st.fixed_dictionaries(
    {name: st.lists(steps, min_size=TICKS - 2, max_size=TICKS - 2) for name in NAMES}
)


@dataclass
class Life:
    """What one broker did, tick by tick."""

    raw: RawBroker
    held: dict[str, list[Seen]] = field(default_factory=lambda: {name: [] for name in NAMES})
    story: list[Any] = field(default_factory=list)

    async def tick(self, number: int, made_up: dict[str, list[Step]]) -> None:
        """Looks at everything, then takes the next step of every script."""
        self.story.append({name: await self.raw.count(name) for name in slots()})
        for name, script in made_up.items():
            if number < len(script):
                await self._do(name, script[number], f"{number}")

    async def _do(self, name: str, step: Step, body: str) -> None:
        held = self.held[name]
        match step:
            case ("publish", expiration):
                await self.raw.publish("", name, body, expiration=expiration)
            case ("get", _):
                seen = await self.raw.get(name)
                self.story.append((name, body, seen and shown(seen)))
                if seen is not None:
                    held.append(seen)
            case ("nack", _) if held:
                await self.raw.nack(held.pop(0).tag)
            case ("discard", _) if held:
                await self.raw.reject(held.pop(0).tag, requeue=False)


async def empty(rabbit: Rabbit) -> None:
    """Leaves nothing, also of what is on its way from queue to queue meanwhile."""
    await rabbit.new_channel()

    async def look() -> int:
        left = 0
        for name in slots():
            left += await rabbit.count(name)
            await rabbit.purge(name)
        await asyncio.sleep(0.03)
        return left

    for _ in range(2):
        await rabbit.eventually(look, 0)


def test_messages_die_at_the_same_time(rabbit_url: str, record_property: Record) -> None:
    """Of the queue's time or their own, returned or dead-lettered in between."""
    counted: list[int] = []

    async def prepare(rabbit: Rabbit) -> None:
        await declare(rabbit, slots())

    async def run(rabbit: Rabbit, made_up: dict[str, list[Step]]) -> None:
        memory, real = Life(Memory(rabbit.version)), Life(rabbit)
        await declare(memory.raw, slots())
        begin, is_late = time.monotonic(), False
        for number in range(TICKS):
            await memory.tick(number, made_up)
            await memory.raw.wait(TICK)
            await asyncio.sleep(begin + number * TICK / 1000 - time.monotonic())
            await real.tick(number, made_up)
            is_late |= time.monotonic() - begin - number * TICK / 1000 > SLACK
        await empty(rabbit)
        if not is_late:
            counted.append(number)
            for expected, found in zip(memory.story, real.story, strict=True):
                check("something", expected, found, made_up)

    scenarios(rabbit_url, scripts, prepare, run, examples=TRIES, shrinks=False)
    record_property(SCENARIOS, len(counted))
    if not counted:
        pytest.skip("the machine was too busy to keep the beat of any scenario")
