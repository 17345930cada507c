"""A queue's arguments: what they mean, which are refused, and which differ from what exists.

Receives the table of a declaration, hands `QueueSettings` to a queue. Names, limits and wording
are those of RabbitMQ's `rabbit_amqqueue` and of the two queue types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from toolkit.topology.declarations import Version
from toolkit.transport.memory.refusal import (
    INTERNAL_ERROR,
    Refusal,
    Unequal,
    described,
    precondition_failed,
)

QueueKind = Literal["quorum", "classic"]
Overflow = Literal["drop-head", "reject-publish", "reject-publish-dlx"]

DEFAULT_DELIVERY_LIMIT = 20
"""A quorum queue's, from RabbitMQ 4.0 on."""
_LONGEST_EXPIRY = 4_294_967_295  # milliseconds, the longest that an Erlang timer takes
_HIGHEST_PRIORITY = 255

_SHARED = (
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-message-ttl",
    "x-overflow",
    "x-queue-type",
    "x-single-active-consumer",
)
_OWN: dict[QueueKind, tuple[str, ...]] = {
    "quorum": ("x-dead-letter-strategy", "x-delivery-limit"),
    "classic": ("x-max-priority", "x-queue-mode", "x-queue-version"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What a queue does, after defaults and versions. `arguments` is what it was declared with."""

    kind: QueueKind
    is_durable: bool
    is_auto_delete: bool
    arguments: Mapping[str, Any]
    ttl: timedelta | None
    expires: timedelta | None
    max_length: int | None
    max_bytes: int | None
    overflow: Overflow
    dead_letter_exchange: str | None
    dead_letter_routing_key: str | None
    dead_letters_at_least_once: bool
    delivery_limit: int | None
    priorities: int | None
    has_single_active_consumer: bool


def read_settings(
    name: str,
    arguments: Mapping[str, Any],
    *,
    version: Version,
    is_durable: bool = True,
    is_auto_delete: bool = False,
) -> QueueSettings:
    """The settings that arguments mean. Raises `Refusal` for what RabbitMQ would not declare."""
    kind = _kind(name, arguments)
    _check(name, kind, arguments)
    _check_properties(name, kind, version, is_durable=is_durable, is_auto_delete=is_auto_delete)
    overflow = arguments.get("x-overflow", "drop-head")
    exchange = arguments.get("x-dead-letter-exchange")
    return QueueSettings(
        kind=kind,
        is_durable=is_durable,
        is_auto_delete=is_auto_delete,
        arguments=dict(arguments),
        ttl=_milliseconds(arguments.get("x-message-ttl")),
        expires=_milliseconds(arguments.get("x-expires")),
        max_length=arguments.get("x-max-length"),
        max_bytes=arguments.get("x-max-length-bytes"),
        overflow=overflow,
        dead_letter_exchange=exchange,
        dead_letter_routing_key=arguments.get("x-dead-letter-routing-key"),
        # Anything else downgrades it, silently
        # (https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering).
        dead_letters_at_least_once=(
            kind == "quorum"
            and exchange is not None
            and overflow == "reject-publish"
            and arguments.get("x-dead-letter-strategy") == "at-least-once"
        ),
        delivery_limit=_delivery_limit(kind, arguments, version),
        priorities=arguments.get("x-max-priority"),
        has_single_active_consumer=arguments.get("x-single-active-consumer", False),
    )


def check_same(name: str, found: QueueSettings, wanted: QueueSettings) -> None:
    """Raises `Unequal` for the first difference, in RabbitMQ's order."""
    for argument, wants, has in differences(found, wanted):
        raise Unequal("queue", name, argument, wanted=wants, found=has)


def differences(found: QueueSettings, wanted: QueueSettings) -> list[tuple[str, Any, Any]]:
    """Each argument that differs: its name, what was wanted, what there is."""
    pairs = [
        ("durable", wanted.is_durable, found.is_durable),
        ("auto_delete", wanted.is_auto_delete, found.is_auto_delete),
        *(
            (argument, wanted.arguments.get(argument), found.arguments.get(argument))
            for argument in (*_SHARED, *_OWN[found.kind])
        ),
    ]
    return [
        (argument, wants, has)
        for argument, wants, has in pairs
        if wants != has and not _is_classic_by_default(argument, wants, has)
    ]


def _is_classic_by_default(argument: str, wants: object, has: object) -> bool:
    return argument == "x-queue-type" and {wants, has} == {None, "classic"}


def _kind(name: str, arguments: Mapping[str, Any]) -> QueueKind:
    kind: QueueKind = arguments.get("x-queue-type", "classic")
    if kind not in ("quorum", "classic"):
        precondition_failed(
            f"invalid arg 'x-queue-type' for {described('queue', name)}: "
            f"unsupported queue type '{kind}'"
        )
    return kind


def _delivery_limit(kind: QueueKind, arguments: Mapping[str, Any], version: Version) -> int | None:
    """Before 4.0 there is none unless set, and a negative one means "at once"."""
    if kind == "classic":
        return None
    limit: int | None = arguments.get("x-delivery-limit")
    if version < (4, 0):
        return limit
    if limit is None:
        return DEFAULT_DELIVERY_LIMIT
    return None if limit < 0 else limit


def _check(name: str, kind: QueueKind, arguments: Mapping[str, Any]) -> None:
    for argument, value in arguments.items():
        problem = _problem(argument, value, arguments)
        if problem is not None:
            precondition_failed(
                f"invalid arg '{argument}' for {described('queue', name)}: {problem}"
            )
    other: QueueKind = "classic" if kind == "quorum" else "quorum"
    for argument in _OWN[other]:
        if argument in arguments:
            precondition_failed(
                f"invalid arg '{argument}' for {described('queue', name)} "
                f"of queue type rabbit_{kind}_queue"
            )


def _check_properties(
    name: str, kind: QueueKind, version: Version, *, is_durable: bool, is_auto_delete: bool
) -> None:
    if kind == "quorum" and not is_durable:
        precondition_failed(f"invalid property 'non-durable' for {described('queue', name)}")
    if kind == "quorum" and is_auto_delete:
        precondition_failed(f"invalid property 'auto-delete' for {described('queue', name)}")
    if not is_durable and version >= (4, 3):
        raise Refusal(INTERNAL_ERROR, "transient non-exclusive queues are denied")


def _problem(  # noqa: PLR0911 - one line for each argument
    argument: str, value: Any, arguments: Mapping[str, Any]
) -> str | None:
    match argument:
        case "x-message-ttl" | "x-expires":
            return _number_problem(value, most=_LONGEST_EXPIRY, is_positive=argument == "x-expires")
        case "x-max-length" | "x-max-length-bytes":
            return _number_problem(value)
        case "x-max-priority":
            return _number_problem(value, most=_HIGHEST_PRIORITY)
        case "x-overflow" if value not in ("drop-head", "reject-publish", "reject-publish-dlx"):
            return "invalid_overflow"
        case "x-dead-letter-strategy" if value not in ("at-most-once", "at-least-once"):
            return "invalid_dlx_strategy"
        case "x-dead-letter-exchange" if not isinstance(value, str):
            return "unacceptable_type"
        case "x-dead-letter-routing-key":
            if "x-dead-letter-exchange" not in arguments:
                return "routing_key_but_no_dlx_defined"
            return None if isinstance(value, str) else "unacceptable_type"
        case "x-single-active-consumer" if not isinstance(value, bool):
            return "unacceptable_type"
    return None


def _number_problem(
    value: Any, *, most: int | None = None, is_positive: bool = False
) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"expected integer, got {type(value).__name__}"
    if value < 0:
        return f"{{value_negative,{value}}}"
    if value == 0 and is_positive:
        return "{value_zero,0}"
    return f"{{value_too_big,{value}}}" if most is not None and value > most else None


def _milliseconds(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(milliseconds=value)
