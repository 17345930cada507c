"""Services under test, on a broker in memory or on RabbitMQ.

In reading order: `record` (what is known of a message), `view` (records as a test asks for them),
`journal` (all that happened, in order), `timeline` (the journal as a tree, for people), `fault`
(what a test makes go wrong), `watch` (a transport under observation), `stage` (the broker, and what
it takes to come to rest on it), `harness` (all of it together).
"""

from toolkit.testing.harness.harness import NotSettledError, ServiceHarness
from toolkit.testing.harness.record import Consumed, DeadLettered, Published, Retried
from toolkit.testing.harness.view import View

__all__ = [
    "Consumed",
    "DeadLettered",
    "NotSettledError",
    "Published",
    "Retried",
    "ServiceHarness",
    "View",
]
