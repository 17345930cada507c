"""Random scenarios on the broker in memory and on RabbitMQ, and on the broker in memory behind its
socket; between them nothing may differ.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.conformance.brokers.comparison import Pool, Step, compare, declare, scenarios
from tests.conformance.brokers.driver import Rabbit
from tests.conformance.tally import BROKER, SCENARIOS, Record
from toolkit.embedded import EmbeddedBroker
from toolkit.topology.declarations import Version


def pool_for(version: Version) -> Pool:
    """Queues of many kinds, most of them with one that takes their dead letters."""
    no_limit = {"delivery_limit": -1} if version >= (4, 0) else {}
    to_quorum = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead.quorum"}
    to_classic = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead.classic"}
    quorum, classic = {"queue_type": "quorum"}, {"queue_type": "classic"}
    at_least_once = {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"}
    pool: Pool = {
        "dead.quorum": quorum,
        "dead.classic": classic,
        "quorum": quorum | to_classic | {"delivery_limit": 2},
        "quorum.unlimited": quorum | to_quorum | no_limit,
        "quorum.short": quorum | to_quorum | {"delivery_limit": 9, "max_length": 3},
        "quorum.sure": quorum | to_quorum | at_least_once | {"delivery_limit": 1},
        "classic": classic | to_quorum,
        "classic.short": classic | to_classic | {"max_length": 3},
        "classic.full": classic | {"max_length": 3, "overflow": "reject-publish"},
        "classic.both": classic | to_classic | {"max_length": 2, "overflow": "reject-publish-dlx"},
        "classic.priorities": classic | to_classic | {"max_priority": 3},
        "classic.bytes": classic | to_classic | {"max_length_bytes": 4},
    }
    for here, there in (("ring.1", "ring.2"), ("ring.2", "ring.3"), ("ring.3", "ring.1")):
        ring = {"dead_letter_exchange": "", "dead_letter_routing_key": there, "max_length": 1}
        pool[here] = classic | ring
    return pool


def groups_of(pool: Pool) -> list[tuple[str, ...]]:
    """Each queue with the one that takes its dead letters; the ring as a whole."""
    groups = []
    for name, arguments in pool.items():
        if not name.startswith(("dead", "ring")):
            dead = arguments.get("dead_letter_routing_key")
            groups.append((name, dead) if dead else (name,))
    return [*groups, ("ring.1", "ring.2", "ring.3")]


GROUPS = groups_of(pool_for((4, 0)))
KINDS = (
    *(["publish", "get", "nack", "reject"] * 3),
    *("ack", "discard", "consume", "cancel", "lose channel", "purge"),
)
LAST_LOOK = 4
"""Messages that are taken in the end, because only that shows their order."""


@st.composite
def lives(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Step]]:
    """A group of queues, with a few messages to begin with, and what happens to them."""
    group = draw(st.sampled_from(GROUPS))
    numbers = map(str, count())

    def step(kind: str) -> Step:  # noqa: PLR0911 - one line for each
        queue = group[0] if draw(st.integers(0, 9)) < 8 else draw(st.sampled_from(group))
        match kind:
            case "publish":
                body = next(numbers) * draw(st.sampled_from([1, 1, 1, 3]))
                return "publish", queue, body, draw(st.sampled_from([None, None, 0, 1, 2, 5, 200]))
            case "get" | "purge":
                return kind, queue
            case "ack":
                return kind, draw(which)
            case "nack" | "reject":
                return kind, draw(which), True
            case "discard":
                return draw(st.sampled_from(["nack", "reject"])), draw(which), False
            case "consume":
                return kind, queue, draw(st.sampled_from([0, 1, 2]))
            case _:
                return (kind,)

    which = st.integers(0, 5)
    begin = [("publish", group[0], next(numbers), None) for _ in range(draw(st.integers(1, 4)))]
    takes = [("get", group[0])] * draw(st.integers(0, 4))
    moves = draw(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 3)), max_size=5))
    middle = [step(kind) for kind, times in moves for _ in range(times)]
    return group, [*begin, *takes, *middle, *[("get", group[0])] * LAST_LOOK]


def test_messages_live_the_same_life(rabbit_url: str, record_property: Record) -> None:
    """Publishing, getting, consuming, settling in any order, on queues of every kind."""
    record_property(SCENARIOS, compare_lives(rabbit_url))


def compare_lives(url: str, **how: Any) -> int:
    """Raises where a message's life differs; see `scenarios`."""

    async def prepare(rabbit: Rabbit) -> None:
        await declare(rabbit, pool_for(rabbit.version))

    async def run(rabbit: Rabbit, made_up: tuple[tuple[str, ...], list[Step]]) -> Any:
        group, steps = made_up
        await compare(rabbit, pool_for(rabbit.version), group, steps)

    return scenarios(url, lives(), prepare, run, **how)


def test_a_socket_between_changes_nothing(record_property: Record) -> None:
    """The broker in memory, called and spoken to, in the same random scenarios."""
    record_property(BROKER, "embedded as 4.0")
    with embedded_elsewhere() as url:
        record_property(SCENARIOS, compare_lives(url))


@contextmanager
def embedded_elsewhere() -> Iterator[str]:
    """In a thread with a loop of its own, as it would be in a process of its own."""
    listening: Future[tuple[str, asyncio.AbstractEventLoop]] = Future()
    over = asyncio.Event()

    async def serve() -> None:
        async with EmbeddedBroker() as broker:
            listening.set_result((broker.url, asyncio.get_running_loop()))
            await over.wait()

    with ThreadPoolExecutor(1) as thread:
        serving = thread.submit(asyncio.run, serve())
        url, loop = listening.result(timeout=10)
        try:
            yield url
        finally:
            loop.call_soon_threadsafe(over.set)
            serving.result(timeout=10)
