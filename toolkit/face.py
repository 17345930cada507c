"""The public face: all that `from toolkit import ...` offers.

Receives names from the rooms behind it, which are drawn in ARCHITECTURE.md.
"""

from toolkit.errors import (
    AccessRefusedError,
    BrokerUnreachableError,
    ConfigurationError,
    ContractError,
    HandlerTimeoutError,
    MessageTooLargeError,
    PublishError,
    PublishTimeoutError,
    RefusedError,
    SettingsError,
    TlsError,
    ToolkitError,
    TopologyError,
    TransportError,
    UndecodableError,
    UnroutableError,
)
from toolkit.messages.contract import Command, Event, Message
from toolkit.messages.outgoing import Outgoing
from toolkit.middleware import Middleware, Step
from toolkit.observability.logging import configure_logging
from toolkit.policies.dead_letter import DeadLetters
from toolkit.policies.kill_switch import KillSwitch
from toolkit.policies.retry import Retry
from toolkit.policies.verdict import Discard, Reject, RetryAfter
from toolkit.receiving.consumer import Consumer
from toolkit.receiving.context import Context
from toolkit.receiving.pipeline import Incoming
from toolkit.sending.producer import Producer, Publishes, PublishReport, Sends
from toolkit.service.service import Service
from toolkit.service.settings import Settings
from toolkit.topology.plan import QueueOptions

__all__ = [
    "AccessRefusedError",
    "BrokerUnreachableError",
    "Command",
    "ConfigurationError",
    "Consumer",
    "Context",
    "ContractError",
    "DeadLetters",
    "Discard",
    "Event",
    "HandlerTimeoutError",
    "Incoming",
    "KillSwitch",
    "Message",
    "MessageTooLargeError",
    "Middleware",
    "Outgoing",
    "Producer",
    "PublishError",
    "PublishReport",
    "PublishTimeoutError",
    "Publishes",
    "QueueOptions",
    "RefusedError",
    "Reject",
    "Retry",
    "RetryAfter",
    "Sends",
    "Service",
    "Settings",
    "SettingsError",
    "Step",
    "TlsError",
    "ToolkitError",
    "TopologyError",
    "TransportError",
    "UndecodableError",
    "UnroutableError",
    "configure_logging",
]
