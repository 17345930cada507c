"""Dead letters for tests, as a service leaves them behind."""

from typing import Any

from tests.unit.deliveries import delivery
from toolkit.messages import headers as wire
from toolkit.operations.dead_letters.letter import Letter

RECORD = {
    wire.DEAD_REASON: "failed",
    wire.ERROR_TYPE: "shop.errors.Timeout",
    wire.ERROR_MESSAGE: "the bank took 31 s",
    wire.ERROR_STACK: "Traceback ...",
    wire.ERROR_FINGERPRINT: "3f1c9a7be0d24468",
    wire.ATTEMPTS: 6,
    wire.RETRY_ATTEMPT: 2,
    wire.FIRST_FAILED_AT: "2026-11-24T02:00:00.000+00:00",
    wire.FAILED_AT: "2026-11-24T03:00:00.000+00:00",
    wire.FAILED_QUEUE: "billing.charge",
    wire.FAILED_CONSUMER: "ChargeConsumer",
    wire.FAILED_SERVICE: "billing",
    wire.FAILED_HOST: "node-1",
    wire.ORIGINAL_EXCHANGE: "events",
    wire.ORIGINAL_ROUTING_KEY: "orders.placed",
}


def letter(
    body: bytes = b'{"total":120,"customer":{"email":"ada@example.com"},"items":[{"sku":"a"}]}',
    *,
    queue: str = "billing.charge.dead",
    headers: dict[str, Any] | None = None,
    record: dict[str, Any] | None = None,
    **properties: Any,
) -> Letter:
    """One with the fault record above, and more headers."""
    known = RECORD if record is None else record
    return Letter.of(queue, delivery(body, headers={**known, **(headers or {})}, **properties))
