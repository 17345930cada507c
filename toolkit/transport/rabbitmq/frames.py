"""The frames that a lane reads and writes itself: their layout, and the few that it writes.

Receives tags, properties and bodies, hands bytes for the socket. All of it is AMQP 0-9-1, sections
2.3.5 and 4.2; the layout of each method is in the XML of its specification.
"""

import struct
from enum import Enum
from typing import Final

from toolkit.errors import TransportError

METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
HEARTBEAT: Final = 8
END: Final = 0xCE

HEAD: Final = struct.Struct(">BHI")
"""Type, channel, and size of the payload; one end octet follows that."""
AROUND: Final = HEAD.size + 1
CONTENT: Final = struct.Struct(">HHQ")
"""What a header frame begins with: class, weight and body size; the properties follow."""
BASIC: Final = 60
TAG: Final = struct.Struct(">QB")
"""A delivery tag, and a bit or two."""
METHOD_ID: Final = struct.Struct(">I")

LARGEST: Final = 128 * 1024
"""Bytes of a frame, until the broker and we have agreed on a limit: RabbitMQ's default for it."""

A_HEARTBEAT: Final = HEAD.pack(HEARTBEAT, 0, 0) + bytes((END,))


def _method(class_id: int, method_id: int) -> int:
    return class_id << 16 | method_id


CONNECTION_CLOSE: Final = _method(10, 50)
CONNECTION_BLOCKED: Final = _method(10, 60)
CONNECTION_UNBLOCKED: Final = _method(10, 61)
CHANNEL_CLOSE: Final = _method(20, 40)
CHANNEL_CLOSE_OK: Final = _method(20, 41)
BASIC_PUBLISH: Final = _method(60, 40)
BASIC_RETURN: Final = _method(60, 50)
BASIC_DELIVER: Final = _method(60, 60)
BASIC_ACK: Final = _method(60, 80)
BASIC_REJECT: Final = _method(60, 90)
BASIC_NACK: Final = _method(60, 120)

_SETTLING = struct.Struct(">BHIIQBB")
_SETTLING_SIZE = 4 + 8 + 1
_PUBLISH = struct.Struct(">BHIIH")
_MANDATORY = 1
_CONTENT_HEADER = struct.Struct(">BHIHHQ")
_END = bytes((END,))
_MULTIPLE, _REQUEUE = 1, 2


class MalformedFrameError(TransportError):
    """Bytes that are no AMQP, or a frame out of place: the connection is of no use any more."""


class Mark(Enum):
    """What the engine says of a delivery. Reject means "this failed", give back "not begun": from
    RabbitMQ 4.3 on only the first counts towards a limit.
    """

    ACK = "ack"
    REJECT = "reject"
    GIVE_BACK = "give back"


_SAYING = {
    Mark.ACK: (BASIC_ACK, 0),
    Mark.REJECT: (BASIC_REJECT, 1),
    Mark.GIVE_BACK: (BASIC_NACK, _REQUEUE),
}


def settling(channel: int, mark: Mark, tag: int, *, multiple: bool) -> bytes:
    """Basic.Ack, Basic.Reject or Basic.Nack, the latter two back into the queue."""
    method, bits = _SAYING[mark]
    return _SETTLING.pack(METHOD, channel, _SETTLING_SIZE, method, tag, bits | multiple, END)


def short(text: str) -> bytes:
    """A short string; 255 bytes at most."""
    data = text.encode("utf-8", "surrogateescape")
    return bytes((len(data),)) + data


def publishing(channel: int, exchange: str, routing_key: str) -> bytes:
    """Basic.Publish, mandatory."""
    where = short(exchange) + short(routing_key)
    size = 4 + 2 + len(where) + 1
    start = _PUBLISH.pack(METHOD, channel, size, BASIC_PUBLISH, 0)
    return start + where + bytes((_MANDATORY, END))


def content(channel: int, properties: bytes, body: bytes, largest: int) -> tuple[bytes, ...]:
    """The header frame and as many body frames as it takes, in pieces; an empty body has none."""
    length = len(body)
    size = CONTENT.size + len(properties)
    header = _CONTENT_HEADER.pack(HEADER, channel, size, BASIC, 0, length)
    room = largest - AROUND
    if 0 < length <= room:
        return header, properties, _END, HEAD.pack(BODY, channel, length), body, _END
    pieces = [header, properties, _END]
    for start in range(0, length, room):
        piece = body[start : start + room]
        pieces += HEAD.pack(BODY, channel, len(piece)), piece, _END
    return tuple(pieces)


def short_at(payload: bytes, at: int, stop: int) -> tuple[bytes, int]:
    """A short string, and where it ends. Raises MalformedFrameError where it is cut off."""
    end = at + 1 + payload[at] if at < stop else stop + 1
    if end > stop:
        raise MalformedFrameError("a short string is longer than its frame")
    return payload[at + 1 : end], end
