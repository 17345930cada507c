"""Two brokers side by side: the same steps on both, compared after every one.

Receives steps that hypothesis has made up, raises with the whole story where the brokers part.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conformance.brokers.driver import Inbox, Memory, Rabbit, RawBroker, Seen

EXAMPLES = int(os.environ.get("TOOLKIT_COMPARISONS", "150"))
"""How many scenarios each comparison makes up."""
SEED = int(os.environ["TOOLKIT_SEED"])
"""What they are made of; the last line of a run says it, and so it can be had again."""

Step = tuple[Any, ...]
Pool = dict[str, dict[str, Any]]
"""Queues and the arguments that they are declared with."""


@dataclass
class Side:
    """One broker in the middle of a scenario."""

    raw: RawBroker
    queues: Sequence[str]
    held: list[tuple[object, Seen]] = field(default_factory=list)
    inboxes: list[Inbox] = field(default_factory=list)
    noted: list[int] = field(default_factory=list)

    async def do(self, step: Step) -> Any:
        """Takes one step, and tells what came of it."""
        match step:
            case ("publish", queue, body, priority):
                return await self.raw.publish("", queue, body, priority=priority)
            case ("get", queue):
                seen = await self.raw.get(queue)
                if seen is not None:
                    self.held.append((object(), seen))
                return seen and shown(seen)
            case ("ack", which):
                await self._settle(which, self.raw.ack)
            case ("nack", which, requeue):
                await self._settle(which, lambda tag: self.raw.nack(tag, requeue=requeue))
            case ("reject", which, requeue):
                await self._settle(which, lambda tag: self.raw.reject(tag, requeue=requeue))
            case ("consume", queue, prefetch):
                self.inboxes.append(await self.raw.consume(queue, prefetch=prefetch))
                self.noted.append(0)
            case ("cancel",) if self.inboxes:
                await self.raw.cancel(self.inboxes[-1])
            case ("lose channel",) if self.order_is_certain:
                await self.raw.new_channel()
                self.held.clear()
                self.inboxes.clear()
                self.noted.clear()
            case ("purge", queue):
                await self.raw.purge(queue)
            case ("wait", milliseconds):
                await self.raw.wait(milliseconds)
        return None

    @property
    def order_is_certain(self) -> bool:
        """Whether it is certain in which order messages go back when the channel is lost.

        A quorum queue takes them holder by holder, each get being one, and in which order of
        holders isn't always the same.
        """
        holders = {holder for holder, _ in self.held}
        return len(holders) < 2 or not self.queues[0].startswith("quorum")

    async def look(self) -> Any:
        """What can be seen of it from outside."""
        counts = [await self.raw.count(queue) for queue in self.queues]
        return counts, [[shown(seen) for seen in inbox.seen] for inbox in self.inboxes]

    def note(self) -> None:
        """Holds what consumers have been handed meanwhile."""
        for number, inbox in enumerate(self.inboxes):
            self.held += [(inbox.tag, seen) for seen in inbox.seen[self.noted[number] :]]
            self.noted[number] = len(inbox.seen)

    async def _settle(self, which: int, how: Callable[[int], Any]) -> None:
        if self.held:
            _, seen = self.held.pop(which % len(self.held))
            await how(seen.tag)


def shown(seen: Seen) -> tuple[Any, ...]:
    """A message, as far as two brokers have to agree on it."""
    headers = seen.headers
    deaths = [
        (d["queue"], d["reason"], d["count"], d["exchange"], d["routing-keys"])
        for d in headers.get("x-death", ())
    ]
    rest = {name: value for name, value in headers.items() if name != "x-death"}
    return seen.body, seen.exchange, seen.routing_key, seen.is_redelivered, rest, deaths


async def declare(raw: RawBroker, pool: Pool) -> None:
    """Makes the queues of a pool."""
    for name, arguments in pool.items():
        await raw.queue(name, **arguments)


async def compare(rabbit: Rabbit, pool: Pool, queues: Sequence[str], steps: Sequence[Step]) -> None:
    """Takes the steps on both, and asserts that nobody can tell the two apart."""
    memory = Memory(rabbit.version)
    await declare(memory, pool)
    expected, real = Side(memory, queues), Side(rabbit, queues)
    try:
        for number, step in enumerate(steps):
            came_of_it = await expected.do(step)
            check("step", came_of_it, await real.do(step), steps[: number + 1])
            state = await expected.look()
            check(
                "state",
                state,
                await rabbit.eventually(real.look, state, within=1.5),
                steps[: number + 1],
            )
            expected.note()
            real.note()
    finally:
        await clean_up(real)


def check(what: str, memory: Any, rabbit: Any, steps: Any) -> None:
    """Raises with the whole story where the two differ."""
    if memory != rabbit:
        raise AssertionError(f"{what} after {steps}\n  memory: {memory}\n  rabbit: {rabbit}")


async def clean_up(side: Side) -> None:
    """Leaves a real broker's queues empty, also of what is dead-lettered meanwhile.

    Every queue is purged at least once: that makes a quorum queue of 4.0 forget how many messages
    of high priority it has served in a row.
    """
    for inbox in side.inboxes:
        await side.raw.cancel(inbox)
    side.note()
    for _, seen in side.held:
        await side.raw.ack(seen.tag)

    for queue in side.queues:
        await side.raw.purge(queue)

    async def look() -> int:
        counts = {queue: await side.raw.count(queue) for queue in side.queues}
        for queue, count in counts.items():
            if count:
                await side.raw.purge(queue)
        return sum(counts.values())

    assert await side.raw.eventually(look, 0) == 0


def scenarios(
    url: str,
    strategy: st.SearchStrategy[Any],
    prepare: Callable[[Rabbit], Any],
    run: Callable[[Rabbit, Any], Any],
    *,
    examples: int = EXAMPLES,
    seeded: int = SEED,
    shrinks: bool = True,
) -> int:
    """Runs made-up scenarios over one connection, and tells how many that were.

    One that doesn't shrink stops at the first difference.
    """
    ran = 0
    phases = (Phase.explicit, Phase.generate, *((Phase.shrink,) if shrinks else ()))
    with asyncio.Runner() as runner:
        rabbit = runner.run(Rabbit.connected(url))
        try:
            runner.run(prepare(rabbit))

            @seed(seeded)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                print_blob=False,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            )
            @given(strategy)
            def scenario(made_up: Any) -> None:
                nonlocal ran
                ran += 1
                runner.run(run(rabbit, made_up))

            scenario()
        finally:
            runner.run(rabbit.close())
    return ran
