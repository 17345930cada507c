"""Somebody who takes messages from a queue, and what the queue knows of them.

Made by a channel or the adapter, kept in line by the queue.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from toolkit.transport.memory.message import Message

if TYPE_CHECKING:
    from toolkit.transport.memory.queue import Queue


def _nothing(*_: object) -> None:
    """For who is never handed anything."""


class Consumer:
    """Takes up to `prefetch` messages at a time; 0 is no limit.

    `hand` is called with each message, in the middle of whatever made it available, and must not
    raise; `gone` when the queue has been deleted. One that `asks` takes single messages and is
    never served; one that `is_paused` is served again after `Queue.resume`.
    """

    __slots__ = (
        "acks_by_itself",
        "asks",
        "gone",
        "hand",
        "is_cancelled",
        "is_open",
        "is_paused",
        "is_waiting",
        "prefetch",
        "queue",
        "service",
        "unacked",
    )

    def __init__(
        self,
        queue: "Queue",
        *,
        prefetch: int = 0,
        hand: Callable[["Consumer", Message], None] = _nothing,
        gone: Callable[[], None] = _nothing,
        service: str = "",
        acks_by_itself: bool = False,
        asks: bool = False,
    ) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.hand = hand
        self.gone = gone
        self.service = service
        self.acks_by_itself = acks_by_itself
        self.asks = asks
        self.unacked: dict[int, Message] = {}
        self.is_waiting = False
        self.is_open = True
        self.is_paused = False
        self.is_cancelled = asks

    def has_room(self) -> bool:
        """Whether it may hold another message."""
        return not self.is_paused and (not self.prefetch or len(self.unacked) < self.prefetch)


def close_all(consumers: Iterable[Consumer]) -> int:
    """Closes consumers whose channel or connection has gone. How many messages they held.

    None is handed what another gives back.
    """
    consumers = list(consumers)
    for consumer in consumers:
        consumer.queue.withdraw(consumer)
    return sum(consumer.queue.close(consumer) for consumer in consumers)
