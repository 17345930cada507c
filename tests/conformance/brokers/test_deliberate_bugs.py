"""The comparisons can fail: bugs that are put into the broker in memory are found.

Each is one that was easy to make. Patching our own code is the point here.
"""

import pytest

from tests.conformance.brokers.comparison import compare, declare
from tests.conformance.brokers.driver import Rabbit
from tests.conformance.brokers.test_comparison import compare_lives
from tests.conformance.brokers.test_topologies import compare_topologies
from toolkit.transport.memory import routing
from toolkit.transport.memory.delivery_count import DeliveryCount, Return
from toolkit.transport.memory.message import Message
from toolkit.transport.memory.queue import Queue

SEED = 1


def test_a_hash_that_wants_a_word_is_found(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`#` is no word as well, and often the last of a pattern."""
    match = routing._words_match

    def wrong(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
        longer = (part for word in pattern for part in (("*", "#") if word == "#" else (word,)))
        return match(tuple(longer), words)

    monkeypatch.setattr(routing, "_words_match", wrong)
    with pytest.raises(AssertionError):
        compare_topologies(rabbit_url, examples=200, seeded=SEED, shrinks=False)


def test_a_redelivery_that_is_not_counted_is_found(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that a consumer gave back was out once more."""
    note = DeliveryCount.note

    def forget_nacks(self: DeliveryCount, message: Message, how: Return) -> None:
        if how is not Return.NACK:
            note(self, message, how)

    monkeypatch.setattr(DeliveryCount, "note", forget_nacks)
    with pytest.raises(AssertionError, match=r"memory: .*\n *rabbit: "):
        compare_lives(rabbit_url, examples=200, seeded=SEED, shrinks=False)


async def test_a_time_to_live_that_begins_anew_is_found(
    rabbit_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is measured from the moment a message came into the queue, not from when it came back.

    In steps that no busy machine can spoil: later than late is late, too.
    """
    put_back = Queue._put_back

    def put_back_as_new(self: Queue, message: Message, how: Return) -> bool:
        message.expires = self._deadline.of(message.payload)
        return put_back(self, message, how)

    pool = {"q": {"queue_type": "quorum", "message_ttl": 200, "delivery_limit": 9}}
    steps = [("publish", "q", "m", None), ("get", "q"), ("wait", 300), ("nack", 0, True)]
    rabbit = await Rabbit.connected(rabbit_url)
    await declare(rabbit, pool)
    await compare(rabbit, pool, ["q"], steps)
    monkeypatch.setattr(Queue, "_put_back", put_back_as_new)
    with pytest.raises(AssertionError, match=r"memory: \(\[1\], .*\n *rabbit: \(\[0\], "):
        await compare(rabbit, pool, ["q"], steps)
    await rabbit.close()
