"""Exchanges, and which queues a message reaches through them.

Receives bindings and routing keys, hands names of queues to the broker. Topic patterns, header
matching and the walk over exchanges follow RabbitMQ's `rabbit_exchange_type_*` and
`rabbit_exchange:route/3`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from toolkit.messages.envelope import Headers
from toolkit.topology.declarations import ExchangeType, Version
from toolkit.transport.memory.refusal import precondition_failed

DEFAULT_EXCHANGE = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a binding leads."""

    kind: Literal["queue", "exchange"]
    name: str


class Bindings(Protocol):
    """The bindings of one exchange, in the form in which its type looks them up."""

    def add(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        """Adds one; the same once more changes nothing."""
        ...

    def remove(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        """Removes one; one that isn't there is no error, as in AMQP since RabbitMQ 3.2."""
        ...

    def forget(self, destination: Destination) -> None:
        """Removes all that lead to a queue or exchange that has gone."""
        ...

    def matching(self, key: str, headers: Headers) -> Iterable[Destination]:
        """Where a message goes, a destination perhaps more than once."""
        ...

    def __len__(self) -> int: ...


@dataclass(slots=True)
class BoundExchange:
    """An exchange with its bindings."""

    name: str
    type: ExchangeType
    bindings: Bindings
    is_durable: bool = True
    is_auto_delete: bool = False
    is_internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alternate(self) -> str | None:
        """Where goes what no binding of this exchange wants."""
        name = self.arguments.get("alternate-exchange")
        return name if isinstance(name, str) else None

    def differences(
        self,
        kind: ExchangeType,
        *,
        is_durable: bool = True,
        is_auto_delete: bool = False,
        is_internal: bool = False,
        alternate: str | None = None,
    ) -> list[tuple[str, Any, Any]]:
        """Each argument that differs: its name, what was wanted, what there is."""
        pairs = (
            ("type", kind, self.type),
            ("durable", is_durable, self.is_durable),
            ("auto_delete", is_auto_delete, self.is_auto_delete),
            ("internal", is_internal, self.is_internal),
            ("alternate-exchange", alternate, self.alternate),
        )
        return [(argument, wants, has) for argument, wants, has in pairs if wants != has]


def bindings_for(kind: ExchangeType, version: Version) -> Bindings:
    """An empty set of bindings for an exchange of this type."""
    match kind:
        case "direct":
            return DirectBindings()
        case "fanout":
            return FanoutBindings()
        case "topic":
            return TopicBindings()
        case "headers":
            return HeadersBindings(tells_numbers_apart=version >= (3, 13))


def topic_matches(pattern: str, key: str) -> bool:
    """Whether a topic binding wants a routing key.

    Words are what stands between dots, and may be empty; an empty key has no words at all. `*`
    is exactly one word, `#` any number of them (AMQP 0-9-1, section 3.1.3.3).
    """
    return _words_match(topic_words(pattern), topic_words(key))


def topic_words(text: str) -> tuple[str, ...]:
    """The words of a pattern or key."""
    return tuple(text.split(".")) if text else ()


def _words_match(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """In steps that grow with pattern times words, whatever the number of `#`."""
    reached = {0}  # how many words the pattern so far may have used up
    last = len(words)
    for word in pattern:
        if word == "#":
            reached = set(range(min(reached), last + 1))
        else:
            reached = {at + 1 for at in reached if at < last and (word in ("*", words[at]))}
        if not reached:
            return False
    return last in reached


class _ByKey:
    """Bindings under their key; arguments tell two apart but don't route."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[tuple[Destination, str], Destination]] = {}

    def add(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        self._keys.setdefault(key, {})[destination, _identity(arguments)] = destination

    def remove(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        bound = self._keys.get(key, {})
        bound.pop((destination, _identity(arguments)), None)
        if not bound:
            self._keys.pop(key, None)

    def forget(self, destination: Destination) -> None:
        for key, bound in list(self._keys.items()):
            kept = {which: to for which, to in bound.items() if to != destination}
            if kept:
                self._keys[key] = kept
            else:
                del self._keys[key]

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))


class DirectBindings(_ByKey):
    """The key itself."""

    def matching(self, key: str, headers: Headers) -> Iterable[Destination]:
        """See `Bindings`."""
        return self._keys.get(key, {}).values()


class FanoutBindings(_ByKey):
    """Everything, whatever the key."""

    def matching(self, key: str, headers: Headers) -> Iterator[Destination]:
        """See `Bindings`."""
        return (to for bound in self._keys.values() for to in bound.values())


class TopicBindings(_ByKey):
    """Patterns with `*` and `#`."""

    def matching(self, key: str, headers: Headers) -> Iterator[Destination]:
        """See `Bindings`."""
        words = topic_words(key)
        for pattern, bound in self._keys.items():
            if _words_match(topic_words(pattern), words):
                yield from bound.values()


class HeadersBindings:
    """Tables of headers, of which all or any have to be there."""

    def __init__(self, *, tells_numbers_apart: bool = True) -> None:
        self._tells_numbers_apart = tells_numbers_apart
        self._bound: dict[tuple[Destination, str, str], tuple[Destination, Mapping[str, Any]]] = {}

    def add(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        """See `Bindings`. Raises `Refusal` for an `x-match` that doesn't exist."""
        match = arguments.get("x-match", "all")
        if match not in ("all", "any", "all-with-x", "any-with-x"):
            precondition_failed(f"Invalid x-match field value {match!r}; expected all or any")
        self._bound[destination, key, _identity(arguments)] = destination, dict(arguments)

    def remove(self, destination: Destination, key: str, arguments: Mapping[str, Any]) -> None:
        """See `Bindings`."""
        self._bound.pop((destination, key, _identity(arguments)), None)

    def forget(self, destination: Destination) -> None:
        """See `Bindings`."""
        self._bound = {which: b for which, b in self._bound.items() if b[0] != destination}

    def matching(self, key: str, headers: Headers) -> Iterator[Destination]:
        """See `Bindings`."""
        for destination, arguments in self._bound.values():
            if headers_match(arguments, headers, tells_numbers_apart=self._tells_numbers_apart):
                yield destination

    def __len__(self) -> int:
        return len(self._bound)


def headers_match(
    arguments: Mapping[str, Any], headers: Headers, *, tells_numbers_apart: bool = True
) -> bool:
    """Whether a binding of a headers exchange wants a message.

    An argument without a value asks only whether the header is there. Arguments that begin with
    `x-` count only with "-with-x". Nothing to compare is a match for all, and none for any. Before
    RabbitMQ 3.13 the integer 1 and the float 1.0 are the same.
    """
    match = arguments.get("x-match", "all")
    with_x = match.endswith("-with-x")
    results = (
        name in headers
        and (wanted is None or _is_same(wanted, headers[name], strictly=tells_numbers_apart))
        for name, wanted in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    return any(results) if match.startswith("any") else all(results)


def _is_same(wanted: Any, value: Any, *, strictly: bool) -> bool:
    """1 and true are different things on a wire."""
    kinds = {type(wanted), type(value)}
    if len(kinds) > 1 and (strictly or kinds != {int, float}):
        return False
    return bool(wanted == value)


def _identity(arguments: Mapping[str, Any]) -> str:
    return repr(sorted(arguments.items())) if arguments else ""


@dataclass(frozen=True, slots=True)
class Route:
    """The queues that a message reaches, by name, each once. `is_constant` tells whether the
    next message with this key goes the same way, whatever its headers.
    """

    queues: tuple[str, ...]
    is_constant: bool


def route(
    exchanges: Mapping[str, BoundExchange], start: str, keys: Iterable[str], headers: Headers
) -> Route:
    """Walks from an exchange over its bindings, through each exchange at most once.

    An alternate exchange is asked where its exchange has no binding that matches; that the match
    then leads nowhere doesn't count.
    """
    if start == DEFAULT_EXCHANGE:
        return Route(tuple(sorted(set(keys))), is_constant=True)
    queues: set[str] = set()
    seen = {start}
    to_do = [exchanges[start]]
    is_constant = True
    while to_do:
        exchange = to_do.pop()
        is_constant = is_constant and exchange.type != "headers"
        found = {to for key in keys for to in exchange.bindings.matching(key, headers)}
        if not found and exchange.alternate is not None:
            found = {Destination("exchange", exchange.alternate)}
        for destination in found:
            if destination.kind == "queue":
                queues.add(destination.name)
            elif destination.name not in seen:
                seen.add(destination.name)
                if destination.name in exchanges:
                    to_do.append(exchanges[destination.name])
    return Route(tuple(sorted(queues)), is_constant)
