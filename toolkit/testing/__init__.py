"""Tests that tell the truth: services on a broker in memory or on RabbitMQ, and brokers to run on.

In reading order: `context` (a handler by itself), `harness` (services, watched), `plugin` (fixtures
for pytest), `broker` (finds or starts a RabbitMQ).
"""

from toolkit.testing.context import FakeContext, fake_context
from toolkit.testing.harness import (
    Consumed,
    DeadLettered,
    NotSettledError,
    Published,
    Retried,
    ServiceHarness,
    View,
)

__all__ = [
    "Consumed",
    "DeadLettered",
    "FakeContext",
    "NotSettledError",
    "Published",
    "Retried",
    "ServiceHarness",
    "View",
    "fake_context",
]
