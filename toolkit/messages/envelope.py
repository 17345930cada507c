"""What travels around a message: the AMQP properties, the headers and the body's bytes.

Receives values from sending and from the transport, hands them on unchanged.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Headers = dict[str, Any]


@dataclass(slots=True)
class Envelope:
    """One message as AMQP knows it. Treated as immutable: make another with `dataclasses.replace`.

    Field names are those of AMQP 0-9-1's basic class; `expiration` is in milliseconds, as a
    string, as it is on the wire; a `timestamp` that is no date stays a number. Text that wasn't
    UTF-8 has lone surrogates where the bytes were (PEP 383), and goes out as it came.
    """

    body: bytes
    message_id: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    timestamp: datetime | int | None = None
    app_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    expiration: str | None = None
    reply_to: str | None = None
    user_id: str | None = None
    cluster_id: str | None = None
    headers: Headers = field(default_factory=dict)
    as_it_came: tuple[bytes, int, Headers] | None = field(default=None, compare=False, repr=False)
    """The bytes in which the headers came, where in them, and the headers as they were read: what
    isn't changed goes out so, with the very type that the sender chose."""
    unreadable: str | None = None
    """Why the properties could not be read; they are missing here then."""
