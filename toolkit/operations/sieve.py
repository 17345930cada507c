"""Which of the messages that go by are wanted.

Receives conditions as they were typed, hands whoever watches a yes or no for each message.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import ConfigurationError
from toolkit.messages.envelope import Envelope

_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """All of the conditions that are given have to hold; values are compared as text."""

    types: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    """By their path in a JSON body: `customer.email`, `lines.0.product`."""

    def lets_through(self, envelope: Envelope) -> bool:
        """Whether it is wanted. A body that is no JSON has no fields."""
        if self.types and envelope.type not in self.types:
            return False
        if self.services and envelope.app_id not in self.services:
            return False
        for name, wanted in self.headers.items():
            if _text(envelope.headers.get(name, _NOTHING)) != wanted:
                return False
        return not self.fields or self._has_fields(envelope.body)

    def _has_fields(self, body: bytes) -> bool:
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return False
        return all(_text(_at(message, path)) == wanted for path, wanted in self.fields.items())


def conditions(typed: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` each. Raises ConfigurationError."""
    found: dict[str, str] = {}
    for text in typed:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ConfigurationError(f"'{text}' is no condition", [f"write {option} NAME=VALUE"])
        found[name] = value
    return found


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part, _NOTHING)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _NOTHING
    return value


def _text(value: Any) -> str | None:
    """As it is typed: JSON's words for what isn't text."""
    if value is _NOTHING:
        return None
    return value if isinstance(value, str) else json.dumps(value, default=str)
