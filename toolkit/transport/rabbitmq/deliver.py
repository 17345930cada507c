"""The way in of a lane: deliveries put together from their frames.

Receives the frames of one consuming channel from the stream, hands each delivery, once it is whole,
to a function of its consumer.
"""

import struct
from collections.abc import Callable

from toolkit.transport.rabbitmq.frames import (
    AROUND,
    BASIC,
    BASIC_DELIVER,
    BODY,
    CONTENT,
    END,
    HEAD,
    HEADER,
    METHOD,
    METHOD_ID,
    TAG,
    MalformedFrameError,
)

Receive = Callable[[int, int, bytes, bytes, bytes], None]
"""Tag, whether redelivered, exchange and routing key, properties, body."""

_Method = tuple[int, int, bytes]


class DeliverLane:
    """See `Lane`. Most deliveries come whole, in one chunk, and are taken in one go."""

    def __init__(self, channel: int, receive: Receive, lose: Callable[[], None]) -> None:
        self._channel = channel
        self._receive = receive
        self._lose = lose
        self._method: _Method | None = None
        self._properties = b""
        self._missing = -1  # bytes of the body; -1 before its size is known
        self._pieces: list[bytes] = []

    def lose(self, reason: str | None) -> None:
        """See `Lane`."""
        self._method = None
        self._pieces.clear()
        self._lose()

    def take(self, kind: int, data: bytes, at: int, stop: int, end: int) -> int:
        """See `Lane`."""
        if kind == METHOD:
            if stop - at < METHOD_ID.size or METHOD_ID.unpack_from(data, at)[0] != BASIC_DELIVER:
                return 0
            return self._begin(data, at, stop, end)
        if kind == HEADER:
            self._go_on(data, at, stop)
        elif kind == BODY:
            self._add(data[at:stop])
        else:
            raise MalformedFrameError(f"a frame of type {kind} on channel {self._channel}")
        return stop + 1

    def _begin(self, data: bytes, at: int, stop: int, end: int) -> int:
        if self._method is not None:
            raise MalformedFrameError(
                f"a delivery on channel {self._channel} before the last one was complete"
            )
        try:
            method = _method_at(data, at, stop)
        except (struct.error, IndexError) as error:
            raise MalformedFrameError(f"a delivery that is cut off: {error}") from error
        at = stop + 1
        if end - at >= AROUND + CONTENT.size:
            kind, channel, size = HEAD.unpack_from(data, at)
            stop = at + HEAD.size + size
            if (
                kind == HEADER
                and channel == self._channel
                and size >= CONTENT.size
                and stop < end
                and data[stop] == END
            ):
                start = at + HEAD.size + CONTENT.size
                class_id, _, length = CONTENT.unpack_from(data, at + HEAD.size)
                if class_id == BASIC:
                    after = self._whole(method, data, start, stop, end, length)
                    if after:
                        return after
        self._method = method
        return at

    def _whole(
        self, method: _Method, data: bytes, start: int, stop: int, end: int, length: int
    ) -> int:
        """Where to go on if the body is there too, as one frame or none; 0 otherwise."""
        at = stop + 1
        if not length:
            self._receive(*method, data[start:stop], b"")
            return at
        if end - at < AROUND:
            return 0
        kind, channel, size = HEAD.unpack_from(data, at)
        body = at + HEAD.size
        last: int = body + size
        if (
            kind != BODY
            or channel != self._channel
            or size != length
            or last >= end
            or data[last] != END
        ):
            return 0
        self._receive(*method, data[start:stop], data[body:last])
        return last + 1

    def _go_on(self, data: bytes, at: int, stop: int) -> None:
        if self._method is None or self._missing >= 0 or stop - at < CONTENT.size:
            raise MalformedFrameError(f"a content header out of place on channel {self._channel}")
        class_id, _, length = CONTENT.unpack_from(data, at)
        if class_id != BASIC:
            raise MalformedFrameError(f"a content header of class {class_id}, not {BASIC}")
        self._properties = data[at + CONTENT.size : stop]
        self._missing = length
        if not length:
            self._finish()

    def _add(self, piece: bytes) -> None:
        if self._missing < 0:
            raise MalformedFrameError(f"a body out of place on channel {self._channel}")
        self._missing -= len(piece)
        if self._missing < 0:
            raise MalformedFrameError(f"a body that is longer than announced, by {-self._missing}")
        self._pieces.append(piece)
        if not self._missing:
            self._finish()

    def _finish(self) -> None:
        method, self._method = self._method, None
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        properties, self._properties = self._properties, b""
        self._pieces.clear()
        self._missing = -1
        assert method is not None
        self._receive(*method, properties, body)


def _method_at(data: bytes, at: int, stop: int) -> _Method:
    """What a Basic.Deliver says, from after its consumer tag."""
    at += METHOD_ID.size
    at += 1 + data[at]
    tag, redelivered = TAG.unpack_from(data, at)
    where = data[at + TAG.size : stop]
    if len(where) != 2 + where[0] + where[1 + where[0]]:
        raise MalformedFrameError("a delivery whose names don't fill its frame")
    return tag, redelivered & 1, where
