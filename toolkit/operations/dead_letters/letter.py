"""A dead letter: the message, and what is known of why it died.

Receives deliveries from queues of dead letters, hands frozen values to groups, filters and replays.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope
from toolkit.operations.dead_letters import foreign
from toolkit.operations.dead_letters.fault import Fault
from toolkit.transport.port import Delivery
from toolkit.transport.rabbitmq.wire import UnreadableError, encode_properties

_COUNTED_BY_THE_BROKER = (wire.DELIVERY_COUNT, wire.ACQUIRED_COUNT)


class LetterError(ToolkitError):
    """A dead letter that can't be had, or not that way."""

    exit_code = 65


@dataclass(frozen=True, slots=True)
class Letter:
    """One message in a queue of dead letters."""

    queue: str
    """Where it lies."""
    fault: Fault
    delivery: Delivery = field(repr=False, compare=False)

    @classmethod
    def of(cls, queue: str, delivery: Delivery) -> "Letter":
        """With the fault record of whoever wrote it."""
        return cls(queue, foreign.fault_of(delivery.envelope), delivery)

    @property
    def envelope(self) -> Envelope:
        """Properties, headers and body, as they lie there."""
        return self.delivery.envelope

    @property
    def id(self) -> str:
        """The message's id; empty where it has none."""
        return self.envelope.message_id or ""

    @property
    def sendable_id(self) -> str:
        """The same, if a broker's answer that names it can be read by every client; else empty."""
        try:
            self.id.encode()
        except UnicodeEncodeError:
            return ""
        return self.id

    @property
    def type(self) -> str | None:
        """What the message is: its type, else what its fault record calls it."""
        return self.envelope.type or self.fault.message_type or self.fault.routing_key

    @property
    def replays(self) -> int:
        """How often it has been sent back before."""
        return wire.count(self.envelope.headers, wire.REPLAY_COUNT)

    @property
    def failed_the_same_way(self) -> bool:
        """Whether it was replayed, and came back with the fault that it had before."""
        before = wire.text(self.envelope.headers, wire.REPLAYED_FINGERPRINT)
        return before is not None and before == self.fault.fingerprint

    @property
    def at(self) -> datetime | None:
        """When it failed."""
        return self.fault.failed_at

    def decoded(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        try:
            return json.loads(self.envelope.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def digest(self) -> str:
        """What tells this letter from all others, its own earlier deaths included: the bytes of
        properties and body, without what the broker counts.
        """
        digest = hashlib.sha256(self.queue.encode())
        digest.update(properties_of(self.envelope))
        digest.update(self.envelope.body)
        return digest.hexdigest()


def properties_of(envelope: Envelope) -> bytes:
    """The property list, byte for byte, without what the broker counts."""
    headers = {
        name: value
        for name, value in envelope.headers.items()
        if name not in _COUNTED_BY_THE_BROKER
    }
    try:
        return encode_properties(replace(envelope, headers=headers))
    except UnreadableError:  # what was read can be written; this is for what was made
        return repr(headers).encode("utf-8", "backslashreplace")
