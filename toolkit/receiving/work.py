"""What this process is at, and what it has just finished, message by message.

Receives beginnings and ends from the pipeline, tells it which redelivery is old work.

A handler survives the connection that its message came by, but its mark doesn't: the broker
delivers the message again. Here that second delivery waits for the first run, and is acknowledged
without another if that came to an end.
"""

import asyncio
from zlib import crc32

from toolkit.messages import headers as wire
from toolkit.transport.port import Delivery

_GENERATIONS = 4  # of a prefetch, whose deliveries are remembered as survived

_BODY = 256  # bytes of a body that are looked at

Key = tuple[str, int, int, int, int]


def key_of(delivery: Delivery) -> Key | None:
    """What tells one try of a message from all others; None where the message has no id. A replay
    from the dead letters is another try, however often this process has finished the message.

    The body is in it because strangers give one id to many messages, and each of those is to be
    handled.
    """
    envelope = delivery.envelope
    if envelope.message_id is None:
        return None
    headers, body = envelope.headers, envelope.body
    attempts = wire.count(headers, wire.ATTEMPTS) if wire.ATTEMPTS in headers else 0
    replays = wire.count(headers, wire.REPLAY_COUNT) if wire.REPLAY_COUNT in headers else 0
    return envelope.message_id, attempts, replays, len(body), crc32(body[:_BODY])


class Work:
    """The messages of one consumer in this process.

    It remembers at least the last `prefetch` that were finished. No more can be in doubt: the
    broker holds at most that many unacknowledged, so no more acks than that can have been lost.
    """

    def __init__(self, prefetch: int) -> None:
        self._most = prefetch
        self._running: dict[Key, asyncio.Event | None] = {}
        # Two generations, because forgetting a whole one is cheaper than one by one.
        self._finished: set[Key] = set()
        self._finished_before: set[Key] = set()
        self._survived: dict[Key, int] = {}

    async def is_finished(self, key: Key) -> bool:
        """Whether a message that comes again has been dealt with; waits for a run under way."""
        while key in self._running:
            over = self._running[key]
            if over is None:
                over = self._running[key] = asyncio.Event()
            await over.wait()
        return key in self._finished or key in self._finished_before

    def begin(self, key: Key) -> None:
        """It is being handled. Who asks from now on is told how this run ended."""
        self._running.setdefault(key, None)

    def end(self, key: Key, *, is_finished: bool) -> None:
        """It is through: `is_finished` if nothing is left to do. If there is, what was finished
        under this key before was another delivery.
        """
        over = self._running.pop(key, None)
        if over is not None:
            over.set()
        if not is_finished:
            self._finished.discard(key)
            self._finished_before.discard(key)
            self.survive(key)
            return
        if self._survived:
            self._survived.pop(key, None)
        self._finished.add(key)
        if len(self._finished) >= self._most:
            self._finished_before, self._finished = self._finished, set()

    def survive(self, key: Key) -> None:
        """A delivery of it came to nothing, and this process is alive to tell."""
        if len(self._survived) > self._most * _GENERATIONS:
            self._survived.clear()  # some went elsewhere; at worst a message has to run alone
        self._survived[key] = self._survived.get(key, 0) + 1

    def survived(self, key: Key) -> int:
        """How many of its deliveries didn't kill this process."""
        return self._survived.get(key, 0)
