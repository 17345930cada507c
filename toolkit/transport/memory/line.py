"""Whose turn it is.

Receives a queue's consumers, hands back the next one that has room.
"""

from collections import deque
from collections.abc import Sequence

from toolkit.transport.memory.argument import QueueSettings
from toolkit.transport.memory.consumer import Consumer


class Line:
    """Consumers in the order in which they are served, one message each.

    On a quorum queue who has no room leaves the line at once, on a classic one when it would be
    its turn; either way it comes to the end of the line once it has room again
    (rabbit_fifo:checkout_one/4, rabbit_queue_consumers:deliver/6).
    """

    def __init__(self, settings: QueueSettings) -> None:
        self._has_one_active = settings.has_single_active_consumer
        self._keeps_places = settings.kind == "classic"
        self.turns: deque[Consumer] = deque()

    def has_room(self) -> bool:
        """Whether anybody could take a message."""
        return any(consumer.has_room() for consumer in self.turns)

    def add(self, consumer: Consumer, consumers: Sequence[Consumer]) -> None:
        """Puts a consumer at the end, if it may be served and isn't in line.

        Where only one may be active that is the first of all consumers.
        """
        if consumer.is_waiting or consumer.is_cancelled or not consumer.has_room():
            return
        if self._has_one_active and consumer is not consumers[0]:
            return
        consumer.is_waiting = True
        self.turns.append(consumer)

    def remove(self, consumer: Consumer) -> None:
        """Takes a consumer out, if it is in line."""
        if consumer.is_waiting:
            consumer.is_waiting = False
            self.turns.remove(consumer)

    def next(self) -> Consumer | None:
        """Takes out whose turn it is; whoever is before it and has no room is out, too."""
        while self.turns:
            consumer = self.turns.popleft()
            if consumer.has_room():
                return consumer
            consumer.is_waiting = False
        return None

    def served(self, consumer: Consumer) -> None:
        """Puts it back at the end; see above for who has no room any more."""
        if self._keeps_places or consumer.has_room():
            self.turns.append(consumer)
        else:
            consumer.is_waiting = False
