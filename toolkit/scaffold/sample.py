"""A message that a contract takes, for a test to begin with.

Receives the text of a contracts.py as it will be, hands a JSON object that was validated by it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from toolkit.errors import ConfigurationError
from toolkit.messages.contract import Message
from toolkit.project.trace import trimmed

_FORMATS = {
    "uuid": "6f1c2b54-0c55-4be4-9d0f-6f5b8d1f3a10",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00",
    "duration": "PT1S",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
_TEXTS = (
    *(
        "text",
        "ada@example.com",
        "EUR",
        "de",
        "A",
        "a",
        "A-1",
        "1",
        "12345",
        "1.50",
        "https://a.example",
    ),
    *("+4930123456", "2026-01-31", "Some words", "abc_1", "ABC123", "#aabbcc", ""),
)
"""One of these fits most patterns that people write."""
_DEPTH = 12


class NoSampleError(ConfigurationError):
    """No message can be made up for a contract."""

    def __init__(self, klass: str, problems: list[str]) -> None:
        super().__init__(
            f"no sample of {klass} can be made up for the test",
            [*problems, "give the field an example in its contract: Field(examples=[...])"],
        )


def sample(text: str, klass: str, *, package: str, root: Path) -> dict[str, Any]:
    """A message of this class. Raises NoSampleError, or ConfigurationError for broken contracts."""
    model = _model(text, klass, package=package, root=root)
    schema = model.model_json_schema()
    made = _Maker(klass, schema.get("$defs", {})).value(schema, klass, 0)
    try:
        model.model_validate(made)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise NoSampleError(klass, problems) from error
    return dict(made)


def _model(text: str, klass: str, *, package: str, root: Path) -> type[Message]:
    """The class itself: a module of contracts has no side effects, so it is run."""
    module = ModuleType(f"{package}._contracts_to_be")
    module.__package__ = package
    sys.path.insert(0, str(root))
    sys.modules[module.__name__] = module  # where pydantic looks for the names of annotations
    try:
        exec(compile(text, f"{package}.contracts", "exec"), vars(module))  # noqa: S102 - see above
        model: type[Message] = getattr(module, klass)
    except Exception as error:
        raise ConfigurationError(
            f"the contracts of {package} can't be loaded: their own code fails", [trimmed(error)]
        ) from error
    finally:
        del sys.modules[module.__name__]
        sys.path.remove(str(root))
    return model


class _Maker:
    """Values for a JSON schema, as pydantic writes it."""

    def __init__(self, klass: str, definitions: Mapping[str, Any]) -> None:
        self._klass = klass
        self._definitions = definitions

    def value(self, schema: Mapping[str, Any], place: str, depth: int) -> Any:
        """The simplest one that fits. Raises NoSampleError."""
        if depth > _DEPTH:
            raise NoSampleError(self._klass, [f"{place} contains itself"])
        match schema:
            case {"examples": [first, *_]} | {"enum": [first, *_]} | {"const": first}:
                return first
            case {"$ref": str(ref)}:
                return self.value(self._definitions[ref.rpartition("/")[2]], place, depth + 1)
            case {"anyOf": choices} | {"oneOf": choices} | {"allOf": choices}:
                return self._first(choices, place, depth)
        makers: dict[str, Callable[[Mapping[str, Any], str, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._text,
            "integer": _number,
            "number": _number,
            "boolean": _true,
            "null": _nothing,
        }
        return makers.get(schema.get("type", ""), _anything)(schema, place, depth)

    def _first(self, choices: list[Mapping[str, Any]], place: str, depth: int) -> Any:
        """What can be made; nothing at all only if all else can't."""
        problem: NoSampleError | None = None
        for choice in sorted(choices, key=lambda one: one.get("type") == "null"):
            try:
                return self.value(choice, place, depth + 1)
            except NoSampleError as error:
                problem = problem or error
        raise problem or NoSampleError(self._klass, [f"{place} has no choices"])

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> dict[str, Any]:
        fields = schema.get("properties", {})
        made = {
            name: self.value(fields[name], f"{place}.{name}", depth + 1)
            for name in schema.get("required", ())
        }
        if not fields and isinstance(values := schema.get("additionalProperties"), Mapping):
            made["a"] = self.value(values, f"{place}.a", depth + 1)
        return made

    def _array(self, schema: Mapping[str, Any], place: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            parts = schema["prefixItems"]
            return [self.value(one, f"{place}.{i}", depth + 1) for i, one in enumerate(parts)]
        wanted = max(1, schema.get("minItems", 0))
        return [self.value(schema.get("items", {}), f"{place}.0", depth + 1)] * wanted

    def _text(self, schema: Mapping[str, Any], place: str, _: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        least, most = schema.get("minLength", 0), schema.get("maxLength", sys.maxsize)
        texts = [one.ljust(least, one[-1:] or "a")[:most] for one in _TEXTS]
        fitting = (one for one in texts if _fits(one, schema.get("pattern")))
        if (found := next(fitting, None)) is None:
            raise NoSampleError(self._klass, [f"{place} has the pattern {schema['pattern']}"])
        return found


def _true(*_: object) -> bool:
    return True


def _nothing(*_: object) -> None:
    return None


def _anything(*_: object) -> str:
    return "text"


def _fits(text: str, pattern: str | None) -> bool:
    try:
        return pattern is None or re.search(pattern, text) is not None
    except re.error:
        return False  # pydantic's patterns are Rust's


def _number(schema: Mapping[str, Any], *_: object) -> int | float:
    """The first of a few that is within the bounds; whether it fits is for the contract to say."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1)
    numbers = [1, step]
    if low is not None:
        numbers += [low, low + step, (low // step + 1) * step]
    if high is not None:
        numbers += [high, high - step, high // step * step]
    if low is not None and high is not None and schema["type"] == "number":
        numbers.append((low + high) / 2)
    return next((one for one in numbers if _is_within(one, schema)), 1)


def _is_within(number: float, schema: Mapping[str, Any]) -> bool:
    above = schema.get("exclusiveMinimum", number - 1)
    below = schema.get("exclusiveMaximum", number + 1)
    least, most = schema.get("minimum", number), schema.get("maximum", number)
    step = schema.get("multipleOf", 0)
    return bool(above < number < below and least <= number <= most) and not (step and number % step)
