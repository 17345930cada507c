"""Faults that a test orders: the next publishes that match end otherwise than they would.

Receives orders from a test, tells the broker what is to happen to a publish or an ack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from toolkit.transport.memory.message import Payload

PublishFault = Literal["refuse", "return", "lose confirm"]
Matches = Callable[[str, Payload], bool]


def anything(service: str, payload: Payload) -> bool:
    """Matches every publish."""
    return True


@dataclass(slots=True)
class _Order:
    kind: PublishFault
    matches: Matches
    left: int


class Faults:
    """What is ordered and has not happened yet."""

    def __init__(self) -> None:
        self._publishes: list[_Order] = []
        self._acks: dict[str, int] = {}

    def order(self, kind: PublishFault, matches: Matches, times: int) -> None:
        """For the next `times` publishes that match, by service and payload."""
        self._publishes.append(_Order(kind, matches, times))

    def order_lost_ack(self, queue: str, times: int) -> None:
        """For the next `times` acks of a queue's messages."""
        self._acks[queue] = self._acks.get(queue, 0) + times

    def for_publish(self, service: str, payload: Payload) -> PublishFault | None:
        """What is to become of a publish; asking uses the order up."""
        for order in self._publishes:
            if order.matches(service, payload):
                order.left -= 1
                if not order.left:
                    self._publishes.remove(order)
                return order.kind
        return None

    def for_ack(self, queue: str) -> bool:
        """Whether an ack is to be lost together with its connection; asking uses it up."""
        left = self._acks.get(queue, 0)
        if left > 1:
            self._acks[queue] = left - 1
        else:
            self._acks.pop(queue, None)
        return left > 0

    @property
    def is_ordered(self) -> bool:
        """Whether there is anything that has not happened yet."""
        return bool(self._publishes or self._acks)
