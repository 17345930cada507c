"""A message on its way out, before and after it is stamped.

Made by producers and by a handler's context, handed along the sending pipeline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from toolkit.messages.contract import Message
from toolkit.messages.envelope import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """What may be said about one message.

    `ttl` is how long it may wait in a queue before the broker dead-letters it unread; `timeout`
    is how long to wait for the broker's confirmation; `priority` (0 to 255) matters to queues
    that have priorities.
    """

    message_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    headers: Mapping[str, Any] | None = None
    priority: int | None = None
    ttl: timedelta | None = None
    timeout: timedelta | None = None


@dataclass(slots=True)
class Publication:
    """An envelope and where it goes. `is_required` makes it an error that no queue takes it."""

    envelope: Envelope
    exchange: str
    routing_key: str
    is_required: bool = True


@dataclass(slots=True)
class Outgoing:
    """A message with its publication, as sending middleware sees it."""

    message: Message
    publication: Publication
    timeout: timedelta
