"""What a test makes go wrong.

Receives orders from a test, tells watched transports what is to happen to a publish or an ack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from toolkit.messages.contract import Message, contract_of
from toolkit.messages.envelope import Envelope

Kind = Literal["refuse", "return", "crash before ack"]


@dataclass(slots=True)
class _Order:
    kind: Kind
    is_meant: Callable[[Envelope], bool]
    left: int


class Faults:
    """What is ordered and has not happened yet."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def order(self, kind: Kind, model: type[Message] | None, times: int) -> None:
        """For the next so many messages of this type; of any type, without one."""
        if times < 1:
            raise ValueError(f"times must be 1 or more, not {times}")
        name = None if model is None else contract_of(model).name
        self._orders.append(_Order(kind, lambda e: name is None or e.type == name, times))

    def take(self, *kinds: Kind, envelope: Envelope) -> Kind | None:
        """What is to happen to this message; asking uses the order up."""
        for order in self._orders:
            if order.kind in kinds and order.is_meant(envelope):
                order.left -= 1
                if not order.left:
                    self._orders.remove(order)
                return order.kind
        return None
