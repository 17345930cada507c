"""A message as a line of JSON: exact, so that it can be sent again as it was.

Receives what a tap saw, hands text to files; receives such text, hands back the message. Text that
was no UTF-8 has lone surrogates where the bytes were (PEP 383), and JSON carries them as escapes.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.messages.envelope import Envelope
from toolkit.transport.rabbitmq.wire import Opaque

FORMAT = 1
"""In each line, as `tap`: what tells it from a body."""

_PROPERTIES = (
    "message_id",
    "type",
    "correlation_id",
    "app_id",
    "content_type",
    "content_encoding",
    "delivery_mode",
    "priority",
    "expiration",
    "reply_to",
    "user_id",
    "cluster_id",
)
_NUMBERS = ("delivery_mode", "priority")


class DamagedRecordError(ToolkitError):
    """A saved line is not, or no longer, what `toolkit tap --save` writes."""

    exit_code = 65


@dataclass(frozen=True, slots=True)
class Sighting:
    """One message, as it went by."""

    exchange: str
    routing_key: str
    envelope: Envelope
    seen_at: datetime


def line_of(sighting: Sighting) -> str:
    """The line, without its end."""
    envelope = sighting.envelope
    properties = {
        name: value for name in _PROPERTIES if (value := getattr(envelope, name)) is not None
    }
    if envelope.timestamp is not None:
        properties["timestamp"] = plain(envelope.timestamp)
    record = {
        "tap": FORMAT,
        "seen_at": sighting.seen_at.isoformat(timespec="milliseconds"),
        "exchange": sighting.exchange,
        "routing_key": sighting.routing_key,
        "properties": properties,
        "headers": {name: plain(value) for name, value in envelope.headers.items()},
        **_body(envelope.body),
    }
    if envelope.unreadable:
        record["unreadable"] = envelope.unreadable
    return json.dumps(record)


def is_record(value: object) -> bool:
    """Whether a line that was read is one of these, and not a body."""
    return isinstance(value, dict) and {"tap", "exchange", "routing_key"} <= value.keys()


def sighting_of(record: dict[str, Any]) -> Sighting:
    """What was seen. Raises `DamagedRecordError`."""
    try:
        if record["tap"] != FORMAT:
            raise DamagedRecordError(f"its format is {record['tap']!r}, known is {FORMAT}")
        envelope = Envelope(
            body=_bytes_of(record),
            headers={str(name): _value(value) for name, value in record["headers"].items()},
            unreadable=record.get("unreadable"),
            **_properties_of(record["properties"]),
        )
        return Sighting(
            exchange=_text(record, "exchange"),
            routing_key=_text(record, "routing_key"),
            envelope=envelope,
            seen_at=datetime.fromisoformat(record["seen_at"]),
        )
    except KeyError as error:
        raise DamagedRecordError(f"it has no {error}") from error
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise DamagedRecordError(f"what tap saved was changed: {error}") from error


def plain(value: Any) -> Any:  # noqa: PLR0911 - one for each type
    """A header's value in JSON; what JSON has no type for says what it is."""
    match value:
        case bytes() | bytearray():
            return {"$bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"$time": value.isoformat()}
        case Decimal():
            return {"$decimal": str(value)}
        case Opaque():
            return {"$opaque": base64.b64encode(value.data).decode()}
        case Mapping():
            table = {str(name): plain(inner) for name, inner in value.items()}
            return {"$table": table} if _is_marked(table) else table
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value


def _value(value: Any) -> Any:  # noqa: PLR0911 - one for each type
    match value:
        case {"$bytes": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
        case {"$time": str(text), **rest} if not rest:
            return datetime.fromisoformat(text)
        case {"$decimal": str(text), **rest} if not rest:
            return Decimal(text)
        case {"$opaque": str(text), **rest} if not rest:
            return Opaque(base64.b64decode(text, validate=True))
        case {"$table": dict(table), **rest} if not rest:
            return {name: _value(inner) for name, inner in table.items()}
        case dict():
            return {name: _value(inner) for name, inner in value.items()}
        case list():
            return [_value(inner) for inner in value]
        case _:
            return value


def _is_marked(table: Mapping[str, Any]) -> bool:
    return len(table) == 1 and next(iter(table)).startswith("$")


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _bytes_of(record: Mapping[str, Any]) -> bytes:
    if "body_base64" in record:
        return base64.b64decode(_text(record, "body_base64"), validate=True)
    return _text(record, "body").encode()


def _properties_of(properties: dict[str, Any]) -> dict[str, Any]:
    unknown = properties.keys() - {*_PROPERTIES, "timestamp"}
    if unknown:
        raise ValueError(f"AMQP has no property {', '.join(sorted(unknown))}")
    for name, value in properties.items():
        kind = int if name in _NUMBERS else str
        if name != "timestamp" and not isinstance(value, kind):
            raise ValueError(f"property {name} is {value!r}")
    moment = properties.get("timestamp")
    return {**properties, "timestamp": _value(moment)}


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not text")
    return value
