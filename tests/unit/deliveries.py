"""A delivery that lives in memory and keeps the port's promises.

Receives an envelope from a test, hands back the one mark that was made on it.
"""

from typing import Any, Literal

from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope

Mark = Literal["acked", "rejected", "given back"]


class InMemoryDelivery:
    """See `toolkit.transport.port.Delivery`; `mark` is what became of it, None for nothing yet."""

    def __init__(
        self,
        envelope: Envelope,
        *,
        exchange: str = "events",
        routing_key: str = "orders.placed",
        is_redelivered: bool = False,
        is_live: bool = True,
    ) -> None:
        self.envelope = envelope
        self.exchange = exchange
        self.routing_key = routing_key
        self.is_redelivered = is_redelivered
        self.is_live = is_live
        self.mark: Mark | None = None

    @property
    def earlier_deliveries(self) -> int:
        return wire.delivery_count(self.envelope.headers)

    @property
    def is_settled(self) -> bool:
        return self.mark is not None

    def ack(self) -> None:
        self._settle("acked")

    def reject(self) -> None:
        self._settle("rejected")

    def give_back(self) -> None:
        self._settle("given back")

    def _settle(self, mark: Mark) -> None:
        if self.mark is not None:
            raise RuntimeError(f"{self.mark} already; can't be {mark} as well")
        self.mark = mark


def delivery(body: bytes = b'{"order_id":1}', **properties: Any) -> InMemoryDelivery:
    """An order that was placed, as it comes off the wire, with other properties where wanted."""
    usual = {
        "message_id": "m-1",
        "type": "orders.placed",
        "content_type": "application/json",
        "delivery_mode": 2,
    }
    return InMemoryDelivery(Envelope(body=body, **{**usual, **properties}))
