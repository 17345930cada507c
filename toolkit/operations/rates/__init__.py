"""How fast messages enter and leave queues, and what that means for a backlog.

In reading order: `history` (what a broker counted), `flow` (rates, time to drain and consumers that
are missing, as pure arithmetic), `wanted` (which queues), `source` (where histories come from: the
management API, or AMQP alone), `view` (sorted, filtered, and which key does what), `words` (as
people read it).
"""

from toolkit.operations.rates.flow import Flow, flow_of
from toolkit.operations.rates.history import History, Sample
from toolkit.operations.rates.source import Reading, Source, flows_of, opened
from toolkit.operations.rates.wanted import UnknownQueueError, Wanted

__all__ = [
    "Flow",
    "History",
    "Reading",
    "Sample",
    "Source",
    "UnknownQueueError",
    "Wanted",
    "flow_of",
    "flows_of",
    "opened",
]
