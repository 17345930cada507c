"""Which dead letters are meant: `error.type == "Timeout" and message.total > 100`.

Receives text that somebody typed, hands a `Filter`. Python reads the text into a tree and that is
all Python does with it: the tree is held against a short list of what may be in it, and walked by
this module. There is nothing in it that could call, import or reach anything.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

from toolkit.errors import ToolkitError
from toolkit.operations.dead_letters.letter import Letter

_LONGEST = 2_000  # characters
_MOST_PARTS = 300
_DEEPEST = 30
_ABSENT: Final = object()

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LENGTH = re.compile(r"(?:\d{1,9}(?:ms|[dhms]))+")
_PART = re.compile(r"(\d+)(ms|[dhms])")


class FilterError(ToolkitError):
    """What was typed is no filter; the sentence shows where."""

    exit_code = 65

    def __init__(self, text: str, problem: str, at: int | None = None) -> None:
        shown = "".join(c if c.isprintable() else " " for c in text[:_LONGEST])
        pointer = "" if at is None else f"\n  {' ' * max(0, min(at, len(shown)))}^"
        super().__init__(f"this filter can't be used: {problem}\n  {shown}{pointer}")


class _TypeName(str):
    """An error's type: equal to its whole name, and to the last part of it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """One letter, at one time; its body is decoded once, and only if asked for."""

    letter: Letter
    now: datetime
    body: list[Any]

    @property
    def message(self) -> Any:
        if not self.body:
            try:
                self.body.append(self.letter.decoded())
            except ValueError:
                self.body.append(_ABSENT)
        return self.body[0]


_NAMES: Mapping[str, Callable[[_Look], Any]] = {
    "id": lambda look: look.letter.envelope.message_id,
    "type": lambda look: look.letter.type,
    "queue": lambda look: look.letter.queue,
    "age": lambda look: None if look.letter.at is None else look.now - look.letter.at,
    "replays": lambda look: look.letter.replays,
    "dead.reason": lambda look: look.letter.fault.reason,
    "dead.source": lambda look: look.letter.fault.source,
    "error.type": lambda look: _type_name(look.letter.fault.error_type),
    "error.message": lambda look: look.letter.fault.error_message,
    "error.fingerprint": lambda look: look.letter.fault.fingerprint,
    "error.stack": lambda look: look.letter.fault.stack,
    "failed.at": lambda look: look.letter.at,
    "failed.first": lambda look: look.letter.fault.first_failed_at,
    "failed.service": lambda look: look.letter.fault.service,
    "failed.consumer": lambda look: look.letter.fault.consumer,
    "failed.queue": lambda look: look.letter.fault.queue,
    "failed.attempts": lambda look: look.letter.fault.attempts,
    "headers": lambda look: look.letter.envelope.headers,
    "message": lambda look: look.message,
}
NAMES = tuple(_NAMES)
"""All that a filter may ask for; `headers` and `message` have names of their own below them."""
_OPEN = ("headers", "message")
_MOMENTS = ("failed.at", "failed.first")
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "lower": (1, lambda text: text.lower() if isinstance(text, str) else _ABSENT),
    "len": (1, lambda one: len(one) if isinstance(one, str | list | dict) else _ABSENT),
    "startswith": (
        2,
        lambda text, start: (
            text.startswith(start) if isinstance(text, str) and isinstance(start, str) else _ABSENT
        ),
    ),
}


class Filter:
    """An expression that has been read. Comparing what a letter doesn't have, or what can't be
    compared, is false.
    """

    def __init__(self, text: str, tree: ast.expr, constants: Mapping[ast.expr, Any]) -> None:
        self.text = text
        self._tree = tree
        self._constants = constants

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """Raises `FilterError`, and nothing else, for whatever it can't be."""
        if len(text) > _LONGEST:
            raise FilterError(text[:60], f"it has {len(text):,} characters; {_LONGEST:,} at most")
        reader = _Reader(text)
        tree = reader.tree()
        reader.check(tree, 0)
        return cls(text, tree, reader.constants)

    def __call__(self, letter: Letter, *, now: datetime | None = None) -> bool:
        """Whether a letter is meant."""
        return self._truth(self._tree, _Look(letter, now or datetime.now(UTC), []))

    def _truth(self, node: ast.expr, look: _Look) -> bool:
        value = self._value(node, look)
        return value is not _ABSENT and bool(value)

    def _value(self, node: ast.expr, look: _Look) -> Any:  # noqa: PLR0911 - one for each kind
        if node in self._constants:
            return self._constants[node]
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._truth(value, look) for value in values)
            case ast.BoolOp(values=values):
                return any(self._truth(value, look) for value in values)
            case ast.UnaryOp(operand=operand):
                return not self._truth(operand, look)
            case ast.Compare():
                return self._compare(node, look)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                values = [self._value(argument, look) for argument in arguments]
                return _FUNCTIONS[name][1](*values)
            case _:
                return _asked(node, look)

    def _compare(self, node: ast.Compare, look: _Look) -> bool:
        left = self._value(node.left, look)
        for operator, other in zip(node.ops, node.comparators, strict=True):
            right = self._value(other, look)
            if left is _ABSENT or right is _ABSENT:
                return False
            try:
                if not _COMPARED[type(operator)](left, right):
                    return False
            except TypeError:
                return False
            left = right
        return True


class _Reader:
    """Holds a tree against what may be in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._parts = 0
        self.constants: dict[ast.expr, Any] = {}

    def tree(self) -> ast.expr:
        """What Python makes of the text."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self._text.strip(), mode="eval").body
        except SyntaxError as error:
            at = None if error.offset is None else error.offset - 1 + self._indent
            raise FilterError(self._text, f"it can't be read ({error.msg})", at) from None
        except (ValueError, MemoryError, RecursionError) as error:
            raise FilterError(
                self._text, f"it can't be read ({str(error) or 'too deep'})"
            ) from None

    @property
    def _indent(self) -> int:
        return len(self._text) - len(self._text.lstrip())

    def error(self, problem: str, node: ast.expr) -> FilterError:
        """With a caret below the place. Python counts bytes."""
        lines = self._text.strip().splitlines() or [""]
        row = min(node.lineno, len(lines)) - 1
        before = sum(len(line) + 1 for line in lines[:row])
        column = len(lines[row].encode()[: node.col_offset].decode(errors="ignore"))
        return FilterError(self._text, problem, self._indent + before + column)

    def check(self, node: ast.expr, depth: int) -> None:
        """Raises `FilterError` for whatever isn't on the list."""
        self._parts += 1
        if self._parts > _MOST_PARTS or depth > _DEEPEST:
            raise self.error("it is too long or nested too deeply", node)
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self.check(value, depth + 1)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.check(operand, depth + 1)
            case ast.Compare(left=left, ops=operators, comparators=others):
                for operator in operators:
                    if type(operator) not in _COMPARED:
                        raise self.error("use ==, !=, <, <=, >, >=, in, not in", node)
                for one in (left, *others):
                    self.check(one, depth + 1)
                self._read_times(left, others)
            case ast.Call():
                self._check_call(node, depth)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self._check_name(node)
            case _:
                self.constants[node] = self._constant(node)

    def _check_call(self, node: ast.Call, depth: int) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS or node.keywords:
            raise self.error(f"the only functions are {', '.join(_FUNCTIONS)}", node)
        count = _FUNCTIONS[name][0]
        if len(node.args) != count:
            raise self.error(f"{name}() takes {count}", node)
        for argument in node.args:
            self.check(argument, depth + 1)

    def _check_name(self, node: ast.expr) -> None:
        path = self._path(node)
        root = str(path[0])
        if root in _OPEN:
            if any(isinstance(part, str) and part.startswith("__") for part in path):
                raise self.error("there are no names that begin with __", node)
            return
        name = ".".join(map(str, path))
        if name in _NAMES:
            return
        near = get_close_matches(name, [n for n in NAMES if n not in _OPEN], n=1, cutoff=0.4)
        beginning = [n for n in NAMES if n.startswith(f"{root}.")]
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(beginning or NAMES)}"
        raise self.error(f"there is no '{name:.60}'; {hint}", node)

    def _path(self, node: ast.expr) -> list[str | int]:
        path: list[str | int] = []
        here = node
        while True:
            match here:
                case ast.Attribute(value=value, attr=name):
                    path.append(name)
                    here = value
                case ast.Subscript(value=value, slice=ast.Constant(value=str() | int() as key)):
                    path.append(key)
                    here = value
                case ast.Name(id=name):
                    path.append(name)
                    break
                case _:
                    raise self.error('write a name such as error.type or headers["x-y"]', node)
            if len(path) > _DEEPEST:
                raise self.error("it is nested too deeply", node)
        return path[::-1]

    def _constant(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                self._parts += len(parts)
                if self._parts > _MOST_PARTS:
                    raise self.error("it is too long", node)
                if any(isinstance(part, ast.List | ast.Tuple) for part in parts):
                    raise self.error("a list of lists means nothing here", node)
                return [self._constant(part) for part in parts]
            case ast.BinOp(op=ast.Sub()):
                hint = 'a name with a dash is written headers["x-y"]'
                raise self.error(f"there is no arithmetic here; {hint}", node)
            case _:
                kind = type(node).__name__
                raise self.error(f"a filter has names, constants and comparisons, no {kind}", node)

    def _read_times(self, left: ast.expr, others: list[ast.expr]) -> None:
        """Texts that are compared to a moment or an age are read once, here."""
        sides = [left, *others]
        named = {name for side in sides if (name := _plain_name(side))}
        read = _length if "age" in named else _moment if named & set(_MOMENTS) else None
        if read is None:
            return
        for side in sides:
            value = self.constants.get(side)
            if isinstance(value, str):
                try:
                    self.constants[side] = read(value)
                except (ValueError, OverflowError) as error:
                    raise self.error(str(error), side) from None


def _plain_name(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=root), attr=name):
            return f"{root}.{name}"
    return None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"'{text:.40}' is no time; write 2026-01-31 or 2026-01-31T12:00") from None


def _length(text: str) -> timedelta:
    if not _LENGTH.fullmatch(text):
        raise ValueError(f"'{text:.40}' is no length of time; write 30s, 90m, 2h or 7d")
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in _PART.findall(text)))


def _asked(node: ast.expr, look: _Look) -> Any:
    """What a name stands for, or `_ABSENT`."""
    match node:
        case ast.Name(id=name):
            return _present(_NAMES[name](look))
        case ast.Attribute(value=value, attr=key) if (whole := _plain_name(node)) in _NAMES:
            return _present(_NAMES[str(whole)](look))
        case ast.Attribute(value=value, attr=key):
            return _inside(_asked(value, look), key)
        case ast.Subscript(value=value, slice=ast.Constant(value=key)):
            return _inside(_asked(value, look), key)
    return _ABSENT


def _inside(container: Any, key: Any) -> Any:
    if isinstance(container, dict) and isinstance(key, str):
        return _present(container.get(key, _ABSENT))
    if isinstance(container, list) and isinstance(key, int) and key < len(container):
        return _present(container[key])
    return _ABSENT


def _present(value: Any) -> Any:
    return _ABSENT if value is None else value


def _type_name(name: str | None) -> _TypeName | None:
    return None if name is None else _TypeName(name)


def _is_equal(left: Any, right: Any) -> bool:
    if isinstance(right, _TypeName):
        left, right = right, left
    if isinstance(left, _TypeName) and isinstance(right, str) and "." not in right:
        return str(left.rpartition(".")[2]) == right
    return bool(left == right)


def _is_in(left: Any, right: Any) -> bool:
    if isinstance(right, list):
        return any(_is_equal(left, one) for one in right)
    return bool(left in right)


_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: _is_equal,
    ast.NotEq: lambda left, right: not _is_equal(left, right),
    ast.Lt: lambda left, right: bool(left < right),
    ast.LtE: lambda left, right: bool(left <= right),
    ast.Gt: lambda left, right: bool(left > right),
    ast.GtE: lambda left, right: bool(left >= right),
    ast.In: _is_in,
    ast.NotIn: lambda left, right: not _is_in(left, right),
}
