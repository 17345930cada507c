"""AMQP 0-9-1 values as bytes, written and taken apart by hand.

Receives values from tests, hands them bytes that no client library would write, and the bytes of
a message's properties one by one, so that two messages can be compared exactly.

The types are RabbitMQ's: https://www.rabbitmq.com/amqp-0-9-1-errata#section_3
"""

import struct
from collections.abc import Mapping

_FIXED = {
    b"t": 1,
    b"b": 1,
    b"B": 1,
    b"s": 2,
    b"u": 2,
    b"I": 4,
    b"i": 4,
    b"l": 8,
    b"f": 4,
    b"d": 8,
    b"D": 5,
    b"T": 8,
    b"V": 0,
}
_PROPERTIES = {  # name: bit of the flags, in the order of the wire
    "content_type": 15,
    "content_encoding": 14,
    "headers": 13,
    "delivery_mode": 12,
    "priority": 11,
    "correlation_id": 10,
    "reply_to": 9,
    "expiration": 8,
    "message_id": 7,
    "timestamp": 6,
    "type": 5,
    "user_id": 4,
    "app_id": 3,
    "cluster_id": 2,
}
_OCTETS = ("delivery_mode", "priority")

Value = bytes
"""A value in a table: its type's letter, then its bytes."""


def short(text: bytes) -> bytes:
    """A string of up to 255 bytes, of any encoding."""
    return struct.pack(">B", len(text)) + text


def long(text: bytes) -> Value:
    """A string of any length and encoding."""
    return b"S" + struct.pack(">I", len(text)) + text


def number(letter: bytes, layout: str, value: float) -> Value:
    """A number of the type with this letter."""
    return letter + struct.pack(layout, value)


def entries(values: Mapping[bytes, Value]) -> bytes:
    """A table's bytes, with its length before them."""
    content = b"".join(short(name) + value for name, value in values.items())
    return struct.pack(">I", len(content)) + content


def table(values: Mapping[bytes, Value]) -> Value:
    """A table inside a table."""
    return b"F" + entries(values)


def array(*values: Value) -> Value:
    """A list."""
    content = b"".join(values)
    return b"A" + struct.pack(">I", len(content)) + content


def properties(**values: bytes | int | Mapping[bytes, Value]) -> dict[str, bytes]:
    """The bytes of each property: text and numbers, and `headers` as a mapping."""
    return {name: _property(name, value) for name, value in values.items()}


def _property(name: str, value: bytes | int | Mapping[bytes, Value]) -> bytes:
    if isinstance(value, Mapping):
        return entries(value)
    if isinstance(value, int):
        return struct.pack(">B" if name in _OCTETS else ">Q", value)
    return short(value)


def joined(raw: Mapping[str, bytes]) -> bytes:
    """Properties as they stand in a content header: flags, then values."""
    flags = sum(1 << bit for name, bit in _PROPERTIES.items() if name in raw)
    return struct.pack(">H", flags) + b"".join(raw[name] for name in _PROPERTIES if name in raw)


def taken_apart(content: bytes) -> dict[str, bytes]:
    """The bytes of each property in a content header."""
    (flags,) = struct.unpack_from(">H", content)
    at = 2
    found = {}
    for name, bit in _PROPERTIES.items():
        if flags & 1 << bit:
            end = at + _length_of(name, content, at)
            found[name] = content[at:end]
            at = end
    return found


def _length_of(name: str, content: bytes, at: int) -> int:
    if name in _OCTETS:
        return 1
    if name == "timestamp":
        return 8
    if name == "headers":
        return 4 + int(struct.unpack_from(">I", content, at)[0])
    return 1 + content[at]


def headers_of(raw: Mapping[str, bytes]) -> dict[bytes, Value]:
    """The headers among some properties, each as its type's letter and its bytes."""
    content = raw.get("headers", b"\0\0\0\0")
    at = 4
    found = {}
    while at < len(content):
        name = content[at + 1 : at + 1 + content[at]]
        start = at + 1 + len(name)
        at = start + 1 + _length_of_value(content, start)
        found[name] = content[start:at]
    return found


def _length_of_value(content: bytes, at: int) -> int:
    letter = content[at : at + 1]
    if letter in _FIXED:
        return _FIXED[letter]
    return 4 + int(struct.unpack_from(">I", content, at + 1)[0])
