"""How often a message was handed out, as each version of RabbitMQ counts it.

Receives messages that come back, hands out the headers that say so, and whether it was too often.

Classic queues count nothing. Quorum queues before 4.0 have one count, for whatever comes back. From
4.0 on there are two, of which the first is called `x-delivery-count` until 4.2 and
`x-acquired-count` from 4.3 on: how often it was out, and how often that was a failure. Up to 4.2
a lost channel and a reject without requeue are failures, from 4.3 on also a reject with requeue,
and then only failures count towards the limit. Failures travel along to the next quorum queue,
so a rejected message arrives there as if it had been delivered before (rabbit_fifo,
rabbit_fifo_client:add_delivery_count_header/2).
"""

from enum import Enum

from toolkit.topology.declarations import Version
from toolkit.transport.memory.argument import QueueSettings
from toolkit.transport.memory.message import Message


class Return(Enum):
    """How a message comes back."""

    NACK = "nack"
    REJECT = "reject"
    LOST = "lost"
    """Its channel has gone."""
    DISCARD = "discard"
    """Rejected without requeue: it comes back only to be dead-lettered."""


class DeliveryCount:
    """The counting of one queue."""

    def __init__(self, settings: QueueSettings, version: Version) -> None:
        self._version = version
        self._is_quorum = settings.kind == "quorum"
        self._limit = settings.delivery_limit
        self._failures = {Return.LOST, Return.DISCARD}
        if version >= (4, 3):
            self._failures.add(Return.REJECT)

    def note(self, message: Message, how: Return) -> None:
        """Counts a message that comes back."""
        message.acquired += 1
        if how in self._failures and self._is_quorum:
            message.failed += 1

    def is_past_limit(self, message: Message) -> bool:
        """Whether it was out too often to be handed out again."""
        if self._limit is None:
            return False
        return self._limit < (message.failed if self._version >= (4, 3) else message.acquired)

    def goes_to_the_back(self, how: Return) -> bool:
        """Whether a message that comes back is put behind all others, not before them.

        A quorum queue without a delivery limit appends it to its log again, unless its channel
        was lost (`rabbit_fifo:handle_aux/5`, the clause for `#return`).
        """
        if not self._is_quorum or self._limit is not None or how is Return.LOST:
            return False
        return how is Return.NACK or self._version < (4, 3)

    def is_redelivered(self, message: Message) -> bool:
        """The flag of a delivery."""
        return message.acquired > 0 or (self._counts_failures and message.failed > 0)

    def headers(self, message: Message, *, asked: bool) -> dict[str, int] | None:
        """What the broker adds to a delivery; `asked` where it answers a `basic.get`."""
        if not self._is_quorum:
            return None
        if not self._counts_failures:
            # Before 3.12 the answer to a get says 0, too.
            said = message.acquired > 0 or (asked and self._version < (3, 12))
            return {"x-delivery-count": message.acquired} if said else None
        acquired = message.acquired or message.failed
        if not acquired:
            return None
        if self._version < (4, 3):
            return {"x-delivery-count": acquired}
        counts = {"x-acquired-count": acquired}
        if message.failed:
            counts["x-delivery-count"] = message.failed
        return counts

    @property
    def _counts_failures(self) -> bool:
        return self._is_quorum and self._version >= (4, 0)
