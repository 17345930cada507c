"""Frames: cut out of the bytes that come, and put together for those that go.

Receives chunks as the network happens to cut them, hands whole frames to a session. What makes no
sense ends the connection with a `Fault` (AMQP 0-9-1, sections 1.2 and 4.2.3).
"""

from enum import IntEnum

from pamqp import frame as library
from pamqp.base import Frame
from pamqp.exceptions import PAMQPException

from toolkit.errors import TransportError
from toolkit.transport.rabbitmq.frames import (
    AROUND,
    BODY,
    END,
    HEAD,
    HEADER,
    HEARTBEAT,
    METHOD,
    METHOD_ID,
)

FRAME_MAX = 131_072
"""Bytes; RabbitMQ's default since 3.0."""
FRAME_MIN = 4096
"""Bytes of the longest frame that everybody has to take (section 4.2.3)."""

_KINDS = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_LONGEST_REPLY = 255  # bytes of a short string


class Code(IntEnum):
    """Reply codes that end a connection (section 1.2)."""

    CONNECTION_FORCED = 320
    ACCESS_REFUSED = 403
    FRAME_ERROR = 501
    COMMAND_INVALID = 503
    CHANNEL_ERROR = 504
    UNEXPECTED_FRAME = 505
    NOT_ALLOWED = 530
    NOT_IMPLEMENTED = 540
    INTERNAL_ERROR = 541


class Fault(TransportError):
    """Ends a connection; `text` is what is said with the code."""

    def __init__(self, code: Code, text: str) -> None:
        self.code = code
        self.text = f"{code.name} - {text}"
        super().__init__(self.text)


class Cutter:
    """Keeps what has come until it is whole."""

    def __init__(self) -> None:
        self.largest = FRAME_MAX
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Takes a chunk."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def next(self) -> tuple[int, int, bytes] | None:
        """A frame's kind, channel and payload; None until there is a whole one.

        Raises `Fault` for what is none, after which there are no others.
        """
        start = self._at + HEAD.size
        if len(self._data) < start:
            return None
        kind, channel, size = HEAD.unpack_from(self._data, self._at)
        if kind not in _KINDS:
            raise Fault(Code.FRAME_ERROR, f"type {kind} is no type of a frame")
        if size + AROUND > self.largest:
            raise Fault(Code.FRAME_ERROR, f"a frame of {size} bytes is over {self.largest}")
        end = start + int(size)
        if len(self._data) <= end:
            return None
        if self._data[end] != END:
            raise Fault(Code.FRAME_ERROR, "a frame has no end octet")
        self._at = end + 1
        return kind, channel, self._data[start:end]


def read_method(payload: bytes) -> Frame:
    """The method in a frame's payload. Raises `Fault` for what is none."""
    whole = framed(METHOD, 0, payload)
    try:
        _, _, method = library.unmarshal(whole)
    except (PAMQPException, RecursionError, ValueError) as error:
        raise Fault(Code.FRAME_ERROR, f"a method can't be read: {error}") from error
    assert isinstance(method, Frame)
    return method


def said(method: Frame) -> bytes:
    """A method as the payload of a frame."""
    return METHOD_ID.pack(method.index) + method.marshal()


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame around a payload."""
    return b"".join((HEAD.pack(kind, channel, len(payload)), payload, bytes((END,))))


def reply_text(text: str) -> str:
    """As much of a sentence as a short string can hold."""
    data = text.encode("utf-8", "backslashreplace")
    return data[:_LONGEST_REPLY].decode("utf-8", "ignore")
