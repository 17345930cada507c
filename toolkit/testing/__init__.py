"""Tests that tell the truth: services on a broker in memory or on RabbitMQ, and brokers to run on.

In reading order: `context` (a handler by itself), `harness` (services, watched), `plugin` (fixtures
for pytest), `broker` (finds or starts a RabbitMQ). What is public here is imported when it is first
used: pytest imports its plugin out of this package in every run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'toolkit.testing' has no attribute '{name}'")
    room = "context" if "context" in name.lower() else "harness"
    return getattr(import_module(f"toolkit.testing.{room}"), name)
