"""What a service says of itself once it has started.

Receives a running service, hands lines to the log: the broker, and each consumer with its
policies in numbers.
"""

from typing import TYPE_CHECKING

import structlog

from toolkit.policies.duration import format_duration
from toolkit.receiving.consumer import prefetch_of, timeout_of

if TYPE_CHECKING:
    from toolkit.service.service import Service

log = structlog.get_logger("toolkit.service")


def introduce(service: "Service") -> None:
    """One line for the service, one for each consumer, one for what is published."""
    log.info("service started", service=service.name, broker=service.broker)
    for consumer, subscription in zip(service.consumers, service.subscriptions, strict=True):
        limit = timeout_of(consumer)
        log.info(
            f"consuming {subscription.queue}",
            handles=[contract.name for contract in subscription.contracts],
            tries=f"{subscription.retry}; then {subscription.dead_letter_queue}",
            dead_letters=str(subscription.dead_letters),
            at_once=consumer.concurrency,
            prefetch=prefetch_of(consumer),
            timeout=format_duration(limit) if limit else "none",
            kill_switch=str(consumer.kill_switch or "none"),
        )
    if service.published:
        log.info("publishing", messages=sorted({c.name for c in service.published}))
