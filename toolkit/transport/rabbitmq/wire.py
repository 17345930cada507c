"""Properties and header tables, between bytes and `Envelope`, without losing any.

Receives the property list of a content header frame (AMQP 0-9-1, sections 2.3.5.2 and 4.2.6.1),
hands envelope fields, and the other way round.

Why not the library's own: it closes the connection over text that isn't UTF-8 or a date that is
no date, writes doubles as floats, and reads every property of every message. What a stranger
sent must neither hurt us nor be changed by us, so whatever has no exact Python value stays
`Opaque` and is written back byte for byte.
"""

import math
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from toolkit.messages.envelope import Envelope, Headers

_NOTHING = object()
_BYTES: Final = "surrogateescape"  # bytes that are no UTF-8 go out as they came (PEP 383)
_OCTETS = tuple(bytes((number,)) for number in range(256))
_DEEPEST = 16  # nested tables and arrays beyond this stay opaque

# Property flags, highest bit first, in the order of the values.
_CONTENT_TYPE: Final = 1 << 15
_CONTENT_ENCODING: Final = 1 << 14
_HEADERS: Final = 1 << 13
_DELIVERY_MODE: Final = 1 << 12
_PRIORITY: Final = 1 << 11
_CORRELATION_ID: Final = 1 << 10
_REPLY_TO: Final = 1 << 9
_EXPIRATION: Final = 1 << 8
_MESSAGE_ID: Final = 1 << 7
_TIMESTAMP: Final = 1 << 6
_TYPE: Final = 1 << 5
_USER_ID: Final = 1 << 4
_APP_ID: Final = 1 << 3
_CLUSTER_ID: Final = 1 << 2

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 60 * 60  # seconds
_LAST_MOMENT = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime can hold


class UnreadableError(ValueError):
    """Bytes that are no property list, or values that can't be put into one."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a header table, type octet included, as it came."""

    data: bytes


def decode_properties(raw: bytes, body: bytes) -> Envelope:  # noqa: PLR0912, PLR0915 - flat
    """The envelope of a message. Raises `UnreadableError` for what is no property list.

    Written out flat, because every message comes this way. Text that is cut off ends past the end
    of the bytes, which the last line sees.
    """
    envelope = Envelope(body)
    try:
        flags = raw[0] << 8 | raw[1]
        at = 2
        if flags & _CONTENT_TYPE:
            start, at = at + 1, at + 1 + raw[at]
            envelope.content_type = raw[start:at].decode("utf-8", _BYTES)
        if flags & _CONTENT_ENCODING:
            start, at = at + 1, at + 1 + raw[at]
            envelope.content_encoding = raw[start:at].decode("utf-8", _BYTES)
        if flags & _HEADERS:
            envelope.headers, end = _table_at(raw, at, 0)
            envelope.as_it_came = (raw, at, envelope.headers)
            at = end
        if flags & _DELIVERY_MODE:
            envelope.delivery_mode = raw[at]
            at += 1
        if flags & _PRIORITY:
            envelope.priority = raw[at]
            at += 1
        if flags & _CORRELATION_ID:
            start, at = at + 1, at + 1 + raw[at]
            envelope.correlation_id = raw[start:at].decode("utf-8", _BYTES)
        if flags & _REPLY_TO:
            start, at = at + 1, at + 1 + raw[at]
            envelope.reply_to = raw[start:at].decode("utf-8", _BYTES)
        if flags & _EXPIRATION:
            start, at = at + 1, at + 1 + raw[at]
            envelope.expiration = raw[start:at].decode("utf-8", _BYTES)
        if flags & _MESSAGE_ID:
            start, at = at + 1, at + 1 + raw[at]
            envelope.message_id = raw[start:at].decode("utf-8", _BYTES)
        if flags & _TIMESTAMP:
            envelope.timestamp = _moment(_U64.unpack_from(raw, at)[0])
            at += 8
        if flags & _TYPE:
            start, at = at + 1, at + 1 + raw[at]
            envelope.type = raw[start:at].decode("utf-8", _BYTES)
        if flags & _USER_ID:
            start, at = at + 1, at + 1 + raw[at]
            envelope.user_id = raw[start:at].decode("utf-8", _BYTES)
        if flags & _APP_ID:
            start, at = at + 1, at + 1 + raw[at]
            envelope.app_id = raw[start:at].decode("utf-8", _BYTES)
        if flags & _CLUSTER_ID:
            start, at = at + 1, at + 1 + raw[at]
            envelope.cluster_id = raw[start:at].decode("utf-8", _BYTES)
    except (struct.error, IndexError) as error:
        raise UnreadableError(f"the message's properties end too early: {error}") from error
    if at > len(raw):
        raise UnreadableError("the message's properties end within a short string")
    return envelope


def encode_properties(envelope: Envelope) -> bytes:  # noqa: PLR0912 - flat
    """The property list of an envelope.

    Raises `UnreadableError` for a header that AMQP has no type for, or a text that is too long.
    """
    flags = 0
    values: list[bytes] = []
    if envelope.content_type is not None:
        flags |= _CONTENT_TYPE
        values.append(_label("content_type", envelope.content_type))
    if envelope.content_encoding is not None:
        flags |= _CONTENT_ENCODING
        values.append(_label("content_encoding", envelope.content_encoding))
    if envelope.headers:
        flags |= _HEADERS
        values.append(_header_table(envelope))
    if envelope.delivery_mode is not None:
        flags |= _DELIVERY_MODE
        values.append(_octet("delivery_mode", envelope.delivery_mode))
    if envelope.priority is not None:
        flags |= _PRIORITY
        values.append(_octet("priority", envelope.priority))
    correlation_id = b""
    if envelope.correlation_id is not None:
        flags |= _CORRELATION_ID
        correlation_id = _short("correlation_id", envelope.correlation_id)
        values.append(correlation_id)
    if envelope.reply_to is not None:
        flags |= _REPLY_TO
        values.append(_short("reply_to", envelope.reply_to))
    if envelope.expiration is not None:
        flags |= _EXPIRATION
        values.append(_short("expiration", envelope.expiration))
    if envelope.message_id is not None:
        flags |= _MESSAGE_ID
        begins_a_story = envelope.message_id is envelope.correlation_id
        values.append(
            correlation_id if begins_a_story else _short("message_id", envelope.message_id)
        )
    if envelope.timestamp is not None:
        flags |= _TIMESTAMP
        values.append(_U64.pack(_seconds(envelope.timestamp)))
    if envelope.type is not None:
        flags |= _TYPE
        values.append(_label("type", envelope.type))
    if envelope.user_id is not None:
        flags |= _USER_ID
        values.append(_label("user_id", envelope.user_id))
    if envelope.app_id is not None:
        flags |= _APP_ID
        values.append(_label("app_id", envelope.app_id))
    if envelope.cluster_id is not None:
        flags |= _CLUSTER_ID
        values.append(_label("cluster_id", envelope.cluster_id))
    return _U16.pack(flags) + b"".join(values)


def _table_at(raw: bytes, at: int, depth: int) -> tuple[Headers, int]:
    end: int = at + 4 + _U32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise UnreadableError("a header table is longer than what is left")
    at += 4
    table: Headers = {}
    while at < end:
        start, at = at + 1, at + 1 + raw[at]
        name = raw[start:at].decode("utf-8", _BYTES)
        table[name], at = _value_at(raw, at, depth)
    return table, end


def _array_at(raw: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    end = at + 4 + _U32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise UnreadableError("an array is longer than what is left")
    at += 4
    values = []
    while at < end:
        value, at = _value_at(raw, at, depth)
        values.append(value)
    return values, end


def _value_at(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    """One value with its type octet. What Python can't hold exactly stays opaque."""
    kind = raw[at]
    if fixed := _FIXED.get(kind):
        return fixed.unpack_from(raw, at + 1)[0], at + 1 + fixed.size
    if kind in _LONG:
        return _long_at(raw, at, kind, depth)
    if kind == _NULL:
        return None, at + 1
    if kind == _DECIMAL:
        return _decimal_at(raw, at + 1), at + 6
    if kind == _MOMENT:
        return _moment_at(raw, at), at + 9
    raise UnreadableError(f"a header has the unknown type {raw[at : at + 1]!r}")


def _decimal_at(raw: bytes, at: int) -> Decimal:
    scale, number = raw[at], _U32.unpack_from(raw, at + 1)[0]
    return Decimal((0, tuple(map(int, str(number))), -scale))


def _moment_at(raw: bytes, at: int) -> datetime | Opaque:
    moment = _moment(_U64.unpack_from(raw, at + 1)[0])
    return moment if isinstance(moment, datetime) else Opaque(raw[at : at + 9])


@lru_cache(maxsize=64)
def _moment(seconds: int) -> datetime | int:
    """What comes in at one time was mostly sent within a few seconds."""
    return datetime.fromtimestamp(seconds, UTC) if seconds <= _LAST_MOMENT else seconds


def _long_at(raw: bytes, start: int, kind: int, depth: int) -> tuple[Any, int]:
    at = start + 5
    end: int = at + _U32.unpack_from(raw, start + 1)[0]
    if end > len(raw):
        raise UnreadableError("a header's value is longer than what is left")
    if kind == _TEXT:
        return raw[at:end].decode("utf-8", _BYTES), end
    if kind == _BINARY:
        return bytearray(raw[at:end]), end
    if depth >= _DEEPEST:
        return Opaque(raw[start:end]), end
    at = start + 1
    return _table_at(raw, at, depth + 1) if kind == _TABLE else _array_at(raw, at, depth + 1)


_TEXT, _BINARY, _TABLE, _ARRAY = b"SxFA"
_LONG = frozenset((_TEXT, _BINARY, _TABLE, _ARRAY))
_NULL, _DECIMAL, _MOMENT = b"VDT"

_FIXED = {
    ord(kind): struct.Struct(f">{form}")
    for kind, form in (
        *(("t", "?"), ("b", "b"), ("B", "B"), ("s", "h"), ("u", "H"), ("I", "i"), ("i", "I")),
        *(("l", "q"), ("L", "q"), ("f", "f"), ("d", "d")),
    )
}
"""Types of a fixed size, by their octet, as RabbitMQ reads them
(https://www.rabbitmq.com/amqp-0-9-1-errata.html#section_3)."""

_WHOLE_NUMBERS = (
    (b"b", struct.Struct(">b"), -(2**7), 2**7),
    (b"s", struct.Struct(">h"), -(2**15), 2**15),
    (b"I", struct.Struct(">i"), -(2**31), 2**31),
    (b"l", struct.Struct(">q"), -(2**63), 2**63),
)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", _BYTES)
    except (UnicodeEncodeError, AttributeError) as error:
        raise UnreadableError(f"{text!r:.60} is no text that UTF-8 can carry") from error


def _short(name: str, text: str) -> bytes:
    data = _bytes(text)
    if len(data) > 255:
        raise UnreadableError(f"{name} has {len(data)} bytes; 255 is the most")
    return _OCTETS[len(data)] + data


_label = lru_cache(maxsize=512)(_short)
"""The same for texts that are mostly the same from message to message."""


def _octet(name: str, number: int) -> bytes:
    if not 0 <= number <= 255:
        raise UnreadableError(f"{name} {number} is not between 0 and 255")
    return _OCTETS[number]


def _long(kind: bytes, data: bytes) -> bytes:
    return kind + _sized(data)


def _header_table(envelope: Envelope) -> bytes:
    if envelope.as_it_came is not None:
        return _partly_as_it_came(envelope.headers, *envelope.as_it_came)
    return _table(envelope.headers)


def _partly_as_it_came(headers: Headers, raw: bytes, at: int, parsed: Headers) -> bytes:
    """Each value that is still the one that was parsed, with the bytes that it was parsed from."""
    entries: dict[str, bytes] = {}
    end = at + 4 + _U32.unpack_from(raw, at)[0]
    at += 4
    while at < end:
        start, at = at + 1, at + 1 + raw[at]
        name, start = raw[start:at].decode("utf-8", _BYTES), at
        _, at = _value_at(raw, start, 0)
        entries[name] = raw[start:at]
    return _sized(
        b"".join(
            _label("a header's name", name)
            + (entries[name] if parsed.get(name, _NOTHING) is value else _value(value))
            for name, value in headers.items()
        )
    )


def _table(table: Headers) -> bytes:
    entries: list[bytes] = []
    for name, value in table.items():
        entries.append(_label("a header's name", name))
        entries.append(_whole(value) if type(value) is int else _value(value))
    return _sized(b"".join(entries))


def _sized(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _value(value: Any) -> bytes:  # noqa: PLR0911 - one line for each type of the protocol
    match value:
        case str():
            return _long(b"S", _bytes(value))
        case bool():
            return b"t" + bytes((value,))
        case int():
            return _whole(value)
        case None:
            return b"V"
        case float() if math.isfinite(value):
            return b"d" + struct.pack(">d", value)
        case datetime():
            return b"T" + _U64.pack(_seconds(value))
        case Opaque():
            return value.data
        case dict():
            return b"F" + _table(value)
        case list() | tuple():
            return _long(b"A", b"".join(map(_value, value)))
        case bytes() | bytearray():
            return _long(b"x", bytes(value))
        case Decimal():
            return _decimal(value)
    raise UnreadableError(f"a header can't be a {type(value).__name__}: {value!r:.60}")


@lru_cache(maxsize=512)
def _whole(value: int) -> bytes:
    for kind, form, least, beyond in _WHOLE_NUMBERS:
        if least <= value < beyond:
            return kind + form.pack(value)
    raise UnreadableError(f"{value} has more than 64 bits")


def _decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    number = int("".join(map(str, digits)) or "0")
    if sign or not isinstance(exponent, int) or not -255 <= exponent <= 0 or number >= 2**32:
        raise UnreadableError(f"{value} is no AMQP decimal; send it as text")
    return b"D" + bytes((-exponent,)) + _U32.pack(number)


def _seconds(moment: datetime | int) -> int:
    """AMQP 0-9-1 timestamps are whole seconds since 1970 (section 4.2.5.4)."""
    if isinstance(moment, int):
        seconds = moment
    elif moment.tzinfo is UTC:
        since = moment - _EPOCH  # three times as fast as `timestamp`
        seconds = since.days * _DAY + since.seconds
    else:
        seconds = int(moment.timestamp())
    if not 0 <= seconds < 2**64:
        raise UnreadableError(f"{moment} is before 1970")
    return seconds
