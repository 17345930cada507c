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
from typing import Any, Final

from toolkit.messages.envelope import Envelope, Headers

_NOTHING = object()
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

_SHORT_TEXTS_BEFORE = ((_CONTENT_TYPE, "content_type"), (_CONTENT_ENCODING, "content_encoding"))
_SHORT_TEXTS_BETWEEN = (
    (_CORRELATION_ID, "correlation_id"),
    (_REPLY_TO, "reply_to"),
    (_EXPIRATION, "expiration"),
    (_MESSAGE_ID, "message_id"),
)
_SHORT_TEXTS_AFTER = (
    (_TYPE, "type"),
    (_USER_ID, "user_id"),
    (_APP_ID, "app_id"),
    (_CLUSTER_ID, "cluster_id"),
)

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_LAST_MOMENT = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime can hold


class UnreadableError(ValueError):
    """Bytes that are no property list, or values that can't be put into one."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a header table, type octet included, as it came."""

    data: bytes


def decode_properties(raw: bytes, body: bytes) -> Envelope:
    """The envelope of a message. Raises `UnreadableError` for what is no property list."""
    try:
        return _decode_properties(raw, body)
    except (struct.error, IndexError) as error:
        raise UnreadableError(f"the message's properties end too early: {error}") from error


def encode_properties(envelope: Envelope) -> bytes:
    """The property list of an envelope.

    Raises `UnreadableError` for a header that AMQP has no type for, or a text that is too long.
    """
    flags = 0
    values: list[bytes] = []
    for flag, name in _SHORT_TEXTS_BEFORE:
        if (text := getattr(envelope, name)) is not None:
            flags |= flag
            values.append(_short(name, text))
    if envelope.headers:
        flags |= _HEADERS
        values.append(_header_table(envelope))
    for flag, number in (
        (_DELIVERY_MODE, envelope.delivery_mode),
        (_PRIORITY, envelope.priority),
    ):
        if number is not None:
            flags |= flag
            values.append(bytes((number,)))
    for flag, name in _SHORT_TEXTS_BETWEEN:
        if (text := getattr(envelope, name)) is not None:
            flags |= flag
            values.append(_short(name, text))
    if envelope.timestamp is not None:
        flags |= _TIMESTAMP
        values.append(_U64.pack(_seconds(envelope.timestamp)))
    for flag, name in _SHORT_TEXTS_AFTER:
        if (text := getattr(envelope, name)) is not None:
            flags |= flag
            values.append(_short(name, text))
    return _U16.pack(flags) + b"".join(values)


def _decode_properties(raw: bytes, body: bytes) -> Envelope:
    (flags,) = _U16.unpack_from(raw)
    at = 2
    envelope = Envelope(body)
    for flag, name in _SHORT_TEXTS_BEFORE:
        if flags & flag:
            text, at = _short_at(raw, at)
            setattr(envelope, name, text)
    if flags & _HEADERS:
        at = _read_headers(raw, at, envelope)
    if flags & _DELIVERY_MODE:
        envelope.delivery_mode = raw[at]
        at += 1
    if flags & _PRIORITY:
        envelope.priority = raw[at]
        at += 1
    for flag, name in _SHORT_TEXTS_BETWEEN:
        if flags & flag:
            text, at = _short_at(raw, at)
            setattr(envelope, name, text)
    if flags & _TIMESTAMP:
        (seconds,) = _U64.unpack_from(raw, at)
        at += 8
        envelope.timestamp = (
            datetime.fromtimestamp(seconds, UTC) if seconds <= _LAST_MOMENT else seconds
        )
    for flag, name in _SHORT_TEXTS_AFTER:
        if flags & flag:
            text, at = _short_at(raw, at)
            setattr(envelope, name, text)
    return envelope


def _read_headers(raw: bytes, at: int, envelope: Envelope) -> int:
    """The header table, each value beside the bytes that it came as."""
    end: int = at + 4 + _U32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise UnreadableError("the header table is longer than what is left")
    at += 4
    while at < end:
        name, start = _short_at(raw, at)
        value, at = _value_at(raw, start, 0)
        envelope.headers[name] = value
        envelope.as_it_came[name] = (value, raw[start:at])
    return end


def _short_at(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at]
    if end > len(raw):
        raise UnreadableError("a short string is longer than what is left")
    return raw[at + 1 : end].decode("utf-8", "surrogateescape"), end


def _table_at(raw: bytes, at: int, depth: int) -> tuple[Headers, int]:
    end = at + 4 + _U32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise UnreadableError("a header table is longer than what is left")
    at += 4
    table: Headers = {}
    while at < end:
        name, at = _short_at(raw, at)
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
    kind = raw[at : at + 1]
    if fixed := _FIXED.get(kind):
        value = fixed.unpack_from(raw, at + 1)[0]
        return (bool(value) if kind == b"t" else value), at + 1 + fixed.size
    if kind == b"V":
        return None, at + 1
    if kind == b"D":
        return _decimal_at(raw, at + 1), at + 6
    if kind == b"T":
        return _moment_at(raw, at), at + 9
    if kind in _LONG:
        return _long_at(raw, at, kind, depth)
    raise UnreadableError(f"a header has the unknown type {kind!r}")


def _decimal_at(raw: bytes, at: int) -> Decimal:
    scale, number = raw[at], _U32.unpack_from(raw, at + 1)[0]
    return Decimal((0, tuple(map(int, str(number))), -scale))


def _moment_at(raw: bytes, at: int) -> datetime | Opaque:
    (seconds,) = _U64.unpack_from(raw, at + 1)
    if seconds > _LAST_MOMENT:
        return Opaque(raw[at : at + 9])
    return datetime.fromtimestamp(seconds, UTC)


def _long_at(raw: bytes, start: int, kind: bytes, depth: int) -> tuple[Any, int]:
    at = start + 1
    end = at + 4 + _U32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise UnreadableError("a header's value is longer than what is left")
    if kind == b"S":
        return raw[at + 4 : end].decode("utf-8", "surrogateescape"), end
    if kind == b"x":
        return bytearray(raw[at + 4 : end]), end
    if depth >= _DEEPEST:
        return Opaque(raw[start:end]), end
    return _table_at(raw, at, depth + 1) if kind == b"F" else _array_at(raw, at, depth + 1)


_LONG = (b"S", b"x", b"F", b"A")

_FIXED = {
    b"t": struct.Struct(">B"),
    b"b": struct.Struct(">b"),
    b"B": struct.Struct(">B"),
    b"s": struct.Struct(">h"),
    b"u": struct.Struct(">H"),
    b"I": struct.Struct(">i"),
    b"i": struct.Struct(">I"),
    b"l": struct.Struct(">q"),
    b"L": struct.Struct(">q"),
    b"f": struct.Struct(">f"),
    b"d": struct.Struct(">d"),
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
        return text.encode("utf-8", "surrogateescape")
    except (UnicodeEncodeError, AttributeError) as error:
        raise UnreadableError(f"{text!r:.60} is no text that UTF-8 can carry") from error


def _short(name: str, text: str) -> bytes:
    data = _bytes(text)
    if len(data) > 255:
        raise UnreadableError(f"{name} has {len(data)} bytes; 255 is the most")
    return bytes((len(data),)) + data


def _long(kind: bytes, data: bytes) -> bytes:
    return kind + _U32.pack(len(data)) + data


def _header_table(envelope: Envelope) -> bytes:
    came = envelope.as_it_came
    entries = []
    for name, value in envelope.headers.items():
        before, data = came.get(name, (_NOTHING, b""))
        entries.append(_short("a header's name", name))
        entries.append(data if before is value else _value(value))
    table = b"".join(entries)
    return _U32.pack(len(table)) + table


def _table(table: Headers) -> bytes:
    data = b"".join(_short("a header's name", name) + _value(v) for name, v in table.items())
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
    seconds = moment if isinstance(moment, int) else int(moment.timestamp())
    if not 0 <= seconds < 2**64:
        raise UnreadableError(f"{moment} is before 1970")
    return seconds
