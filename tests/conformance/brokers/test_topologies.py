"""Random topologies, and every small topic pattern, on the broker in memory and on RabbitMQ."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from aiormq.abc import DeliveredMessage
from hypothesis import strategies as st

from tests.conformance.brokers.comparison import scenarios
from tests.conformance.brokers.driver import Memory, Rabbit, RawBroker, Table
from tests.conformance.tally import SCENARIOS, Record
from toolkit.topology.declarations import ExchangeType

WORDS = int(os.environ.get("TOOLKIT_TOPIC_WORDS", "3"))
"""Up to how many words the patterns have of which all are tried; keys have up to one more."""

EXCHANGES: dict[str, tuple[ExchangeType, Table]] = {
    "direct.1": ("direct", {}),
    "topic.1": ("topic", {"alternate_exchange": "direct.1"}),
    "topic.2": ("topic", {}),
    "fanout.1": ("fanout", {}),
    "headers.1": ("headers", {"alternate_exchange": "topic.1"}),
    "direct.2": ("direct", {"alternate_exchange": "headers.1"}),
}
QUEUES = ("q1", "q2", "q3", "q4")

words = st.sampled_from(["a", "a", "b", "", "*", "#", "#"])
patterns = st.lists(words, max_size=3).map(".".join)
keys = st.lists(st.sampled_from(["a", "a", "b", ""]), max_size=3).map(".".join)
values = st.sampled_from([0, 1, "1", True, None, "x"])
tables = st.dictionaries(st.sampled_from(["h", "i", "x-h"]), values, max_size=3)
matches = st.sampled_from([{}, {"x-match": "any"}, {"x-match": "all"}, {"x-match": "any-with-x"}])
arguments = st.builds(lambda match, table: {**match, **table}, matches, tables)
queue_bindings = st.tuples(
    st.sampled_from(list(EXCHANGES)), st.sampled_from(QUEUES), patterns, arguments
)
exchange_bindings = st.tuples(
    st.sampled_from(list(EXCHANGES)), st.sampled_from(list(EXCHANGES)), patterns, arguments
)
copies = st.lists(keys, max_size=2)
messages = st.tuples(st.sampled_from(list(EXCHANGES)), keys, tables, copies, copies)
topologies = st.tuples(
    st.lists(queue_bindings, max_size=6),
    st.lists(exchange_bindings, max_size=4),
    st.lists(messages, min_size=1, max_size=6),
)


class Collector:
    """Takes everything out of some queues of a RabbitMQ as it comes."""

    def __init__(self) -> None:
        self.found: defaultdict[str, list[str]] = defaultdict(list)

    async def consume(self, rabbit: Rabbit, queues: Iterable[str]) -> None:
        """Registers for each queue, without acks."""
        for queue in queues:
            await rabbit.wire.basic_consume(queue, self._receiver(queue), no_ack=True)

    def _receiver(self, queue: str) -> Any:
        async def receive(message: DeliveredMessage) -> None:
            self.found[queue].append(message.body.decode())

        return receive

    async def all_of(self, rabbit: Rabbit, queues: Sequence[str]) -> dict[str, list[str]]:
        """What has come, up to a last message that is sent behind it."""
        await asyncio.gather(*(rabbit.publish("", queue, "end") for queue in queues))
        while not all(self.found[queue][-1:] == ["end"] for queue in queues):
            await asyncio.sleep(0.001)
        found = {queue: sorted(self.found[queue][:-1]) for queue in queues}
        self.found.clear()
        return found


async def declare_all(raw: RawBroker) -> None:
    """The pool of exchanges and queues."""
    for name, (kind, more) in EXCHANGES.items():
        await raw.exchange(name, kind, is_durable=False, **more)  # a third of the time
    for queue in QUEUES:
        await raw.queue(queue, queue_type="classic")


async def publish_all(raw: RawBroker, made_up: Sequence[Any]) -> list[str]:
    """Publishes under numbers; how each ended."""

    async def one(number: int, message: Any) -> str:
        exchange, key, headers, cc, bcc = message
        named = {name: some for name, some in (("CC", cc), ("BCC", bcc)) if some}
        return await raw.publish(exchange, key, str(number), headers=headers | named)

    return await asyncio.gather(*(one(number, message) for number, message in enumerate(made_up)))


async def in_memory(memory: Memory, made_up: Any) -> tuple[list[str], dict[str, list[str]]]:
    """Where the messages end in the memory broker."""
    to_queues, to_exchanges, published = made_up
    await declare_all(memory)
    for binding in to_queues:
        await memory.bind(*binding)
    for binding in to_exchanges:
        await memory.bind_exchange(*binding)
    fates = await publish_all(memory, published)
    found = {}
    for queue in QUEUES:
        bodies = []
        while (seen := await memory.get(queue)) is not None:
            bodies.append(seen.body)
        found[queue] = sorted(bodies)
    return fates, found


def test_messages_reach_the_same_queues(rabbit_url: str, record_property: Record) -> None:
    """Random bindings between exchanges of all types, alternates included, and random messages."""
    record_property(SCENARIOS, compare_topologies(rabbit_url))


def compare_topologies(url: str, **how: Any) -> int:
    """Raises where a message goes elsewhere; see `scenarios`."""
    collector = Collector()

    async def prepare(rabbit: Rabbit) -> None:
        await declare_all(rabbit)
        await collector.consume(rabbit, QUEUES)

    async def run(rabbit: Rabbit, made_up: Any) -> None:
        to_queues, to_exchanges, published = made_up
        wire = rabbit.wire
        for source, queue, key, table in to_queues:
            await wire.queue_bind(queue, source, key, arguments=table, nowait=True)
        for source, destination, key, table in to_exchanges:
            await wire.exchange_bind(
                destination, source, routing_key=key, arguments=table, nowait=True
            )
        fates = await publish_all(rabbit, published)
        found = await collector.all_of(rabbit, QUEUES)
        for source, queue, key, table in to_queues:
            await wire.queue_unbind(queue, source, key, arguments=table)
        for source, destination, key, table in to_exchanges:
            await wire.exchange_unbind(
                destination, source, routing_key=key, arguments=table, nowait=True
            )
        assert (fates, found) == await in_memory(Memory(rabbit.version), made_up)

    return scenarios(url, topologies, prepare, run, **how)


async def test_every_small_topic_pattern(rabbit_url: str) -> None:
    """All patterns of words out of a, b, *, # and nothing, against all keys of a, b and nothing."""
    all_patterns = spelled(("a", "b", "*", "#", ""), WORDS)
    all_keys = spelled(("a", "b", ""), WORDS + 1)
    names = {f"q{number}": pattern for number, pattern in enumerate(all_patterns)}
    rabbit = await Rabbit.connected(rabbit_url)
    memory = Memory(rabbit.version)
    found: dict[str, dict[str, list[str]]] = {}
    for raw in (memory, rabbit):
        await raw.exchange("x", "topic")
        for name, pattern in names.items():
            await raw.queue(name, queue_type="classic")
            await raw.bind("x", name, pattern)
    collector = Collector()
    await collector.consume(rabbit, names)
    for raw in (memory, rabbit):
        await asyncio.gather(*(raw.publish("x", key, key) for key in all_keys))
    found["rabbit"] = await collector.all_of(rabbit, tuple(names))
    found["memory"] = {}
    for name in names:
        bodies = []
        while (seen := await memory.get(name)) is not None:
            bodies.append(seen.body)
        found["memory"][name] = sorted(bodies)
    await rabbit.close()
    assert len(all_patterns) * len(all_keys) > 1000
    assert found["memory"] == found["rabbit"]


def spelled(alphabet: Sequence[str], most: int) -> list[str]:
    """Every text of up to that many words."""
    return sorted({".".join(w) for n in range(most + 1) for w in product(alphabet, repeat=n)})
