"""`total:decimal?` as a field of a contract.

Receives what was typed, hands the line of the class and the imports that it needs.
"""

import json
import keyword
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from toolkit.messages.contract import Event
from toolkit.scaffold.errors import WrongNameError

Imports = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LIST = re.compile(r"list\[(.+)\]")


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a contract."""

    name: str
    annotation: str
    default: str | None
    imports: Imports

    @property
    def line(self) -> str:
        """As it is written."""
        end = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.annotation}{end}"


@dataclass(frozen=True, slots=True)
class _Kind:
    annotation: str
    default: Callable[[str], str]
    """A default as it is typed, as code. Raises ValueError for what is none."""
    imports: Imports = ()
    default_imports: Imports = ()


def _str(typed: str) -> str:
    return json.dumps(typed, ensure_ascii=False)  # which is Python too


def _bool(typed: str) -> str:
    return {"true": "True", "false": "False"}[typed.lower()]


def _float(typed: str) -> str:
    if "n" in typed.lower():
        raise ValueError  # neither inf nor nan is JSON
    return repr(float(typed))


def _decimal(typed: str) -> str:
    if not Decimal(typed).is_finite():
        raise ValueError
    return f'Decimal("{Decimal(typed)}")'


def _datetime(typed: str) -> str:
    moment = datetime.fromisoformat(typed)
    if moment.tzinfo is None:
        raise ValueError
    return f'datetime.fromisoformat("{moment.isoformat()}")'


def _json(typed: str) -> str:
    value = json.loads(typed)
    if isinstance(value, list | dict) and value:
        raise ValueError  # too much for one line
    return _str(value) if isinstance(value, str) else repr(value)


_KINDS = {
    "str": _Kind("str", _str),
    "int": _Kind("int", lambda typed: str(int(typed))),
    "float": _Kind("float", _float),
    "bool": _Kind("bool", _bool),
    "decimal": _Kind("Decimal", _decimal, (("decimal", "Decimal"),)),
    "uuid": _Kind("UUID", lambda typed: f'UUID("{UUID(typed)}")', (("uuid", "UUID"),)),
    "datetime": _Kind(
        "AwareDatetime",
        _datetime,
        (("pydantic", "AwareDatetime"),),
        (("datetime", "datetime"),),
    ),
    "date": _Kind(
        "date",
        lambda typed: f'date.fromisoformat("{date.fromisoformat(typed)}")',
        (("datetime", "date"),),
    ),
    "json": _Kind("JsonValue", _json, (("pydantic", "JsonValue"),)),
}
TYPES = (*_KINDS, "list[TYPE]")
_NOT_A_DEFAULT = (KeyError, ValueError, InvalidOperation)


def fields(typed: Sequence[str]) -> tuple[Field, ...]:
    """All of them. Raises WrongNameError that names the one that is wrong."""
    found = tuple(map(field, typed))
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise WrongNameError(f"the field '{name}' is given twice: give each one a name")
    for one in found:
        if any(one.name in _words(other.annotation) for other in found):
            raise WrongNameError(
                f"'{one.name}' can't be a field's name here, because it is the name of a type "
                f"that this event uses; try '{one.name}_of_it'"
            )
    return found


def field(typed: str) -> Field:
    """One of them. Raises WrongNameError."""
    name, colon, rest = typed.partition(":")
    kind, equals, default = rest.partition("=")
    if not colon or not kind:
        raise WrongNameError(f"'{typed}' is no field: write name:type, such as total:decimal")
    if problem := _name_problem(name):
        raise WrongNameError(f"'{name}' is no name for a field: {problem}")
    is_optional = kind.endswith("?")
    found = _kind(kind.removesuffix("?"), typed)
    annotation = f"{found.annotation} | None" if is_optional else found.annotation
    if not equals:
        return Field(name, annotation, "None" if is_optional else None, found.imports)
    try:
        written = found.default(default)
    except _NOT_A_DEFAULT as error:
        raise WrongNameError(
            f"'{default}' in '{typed}' is no default of type {kind}: give another one, or none"
        ) from error
    return Field(name, annotation, written, (*found.imports, *found.default_imports))


def _name_problem(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "use lower-case letters, digits and underscores, such as customer_email"
    if keyword.iskeyword(name):
        return f"it is a word of Python; try '{name}_'"
    if hasattr(Event, name) or name.startswith("model_"):
        return "every pydantic model has something of that name; choose another"
    return None


def _kind(typed: str, whole: str) -> _Kind:
    if typed in _KINDS:
        return _KINDS[typed]
    if inner := _LIST.fullmatch(typed):
        is_optional = inner[1].endswith("?")
        part = _kind(inner[1].removesuffix("?"), whole)
        annotation = f"{part.annotation} | None" if is_optional else part.annotation
        return _Kind(f"tuple[{annotation}, ...]", _no_parts, part.imports)
    raise WrongNameError(
        f"'{typed}' in '{whole}' is no type: use one of {', '.join(TYPES)}; "
        "a question mark behind it makes the field optional"
    )


def _no_parts(typed: str) -> str:
    if typed not in ("[]", "()"):
        raise ValueError  # nothing but an empty one is read the same by everybody
    return "()"


def _words(annotation: str) -> list[str]:
    return re.findall(r"\w+", annotation)
