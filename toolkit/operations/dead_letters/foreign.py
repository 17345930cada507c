"""Fault records as others write them, beside our own.

Receives the headers of a dead letter, hands the `Fault` in them. Formats: RabbitMQ's `x-death`
(https://www.rabbitmq.com/docs/dlx#effects), MassTransit's `MT-Fault-*`
(https://masstransit.io/documentation/concepts/exceptions), Spring AMQP's `x-exception-*`
(RepublishMessageRecoverer), NServiceBus's error headers
(https://docs.particular.net/nservicebus/messaging/headers). All of it is untrusted.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from toolkit.messages import headers as wire
from toolkit.messages.envelope import Envelope
from toolkit.operations.dead_letters.fault import Fault, fingerprint

Headers = Mapping[str, Any]

TOOLKIT, NOBODY, BROKER = "toolkit", "nobody", "the broker"

_OURS = frozenset(
    {
        wire.DEAD_REASON,
        wire.ERROR_TYPE,
        wire.ERROR_MESSAGE,
        wire.ERROR_STACK,
        wire.ERROR_FINGERPRINT,
        wire.FAILED_AT,
        wire.FAILED_QUEUE,
        wire.FAILED_CONSUMER,
        wire.FAILED_SERVICE,
        wire.FAILED_HOST,
        wire.ATTEMPTS,
        wire.RETRY_ATTEMPT,
        wire.RETRY_NOT_BEFORE,
    }
)
_THEIRS = (
    "MT-Fault-",
    "MT-Reason",
    "MT-Redelivery-Count",
    "NServiceBus.ExceptionInfo.",
    "NServiceBus.FailedQ",
    "NServiceBus.TimeOfFailure",
    "NServiceBus.Retries",
    "NServiceBus.FLRetries",
    "x-exception-",
    "x-original-",
)


def without_fault(headers: Headers) -> dict[str, Any]:
    """What a replay carries: no fault record, no count of tries, nothing of the broker's. Since
    when a message fails is kept: that stays true.
    """
    return {
        name: value
        for name, value in wire.without_brokers_own(headers).items()
        if name not in _OURS and not name.startswith(_THEIRS)
    }


def fault_of(envelope: Envelope) -> Fault:
    """The record of whoever wrote one; else what the broker says."""
    headers = envelope.headers
    for is_there, read in _DIALECTS:
        if is_there(headers):
            return read(headers)
    return Fault(source=NOBODY, fingerprint=fingerprint(None, None, envelope.type))


def _toolkit(headers: Headers) -> Fault:
    error_type = wire.text(headers, wire.ERROR_TYPE)
    stack = wire.text(headers, wire.ERROR_STACK)
    known = wire.text(headers, wire.ERROR_FINGERPRINT)
    return Fault(
        source=TOOLKIT,
        fingerprint=known or fingerprint(error_type, stack),
        reason=wire.text(headers, wire.DEAD_REASON),
        error_type=error_type,
        error_message=wire.text(headers, wire.ERROR_MESSAGE),
        stack=stack,
        failed_at=wire.moment(headers, wire.FAILED_AT),
        first_failed_at=wire.moment(headers, wire.FIRST_FAILED_AT),
        service=wire.text(headers, wire.FAILED_SERVICE),
        consumer=wire.text(headers, wire.FAILED_CONSUMER),
        host=wire.text(headers, wire.FAILED_HOST),
        queue=wire.text(headers, wire.FAILED_QUEUE),
        attempts=wire.count(headers, wire.ATTEMPTS) if wire.ATTEMPTS in headers else None,
        exchange=wire.text(headers, wire.ORIGINAL_EXCHANGE),
        routing_key=wire.text(headers, wire.ORIGINAL_ROUTING_KEY),
    )


def _masstransit(headers: Headers) -> Fault:
    error_type = wire.text(headers, "MT-Fault-ExceptionType")
    stack = wire.text(headers, "MT-Fault-StackTrace")
    at = wire.moment(headers, "MT-Fault-Timestamp")
    return Fault(
        source="MassTransit",
        fingerprint=fingerprint(error_type, stack, wire.text(headers, "MT-Reason")),
        reason=wire.text(headers, "MT-Reason"),
        error_type=error_type,
        error_message=wire.text(headers, "MT-Fault-Message"),
        stack=stack,
        failed_at=at,
        consumer=wire.text(headers, "MT-Fault-ConsumerType"),
        host=wire.text(headers, "MT-Host-MachineName"),
        service=wire.text(headers, "MT-Host-ProcessName"),
        queue=_last_of_address(wire.text(headers, "MT-Fault-InputAddress")),
        attempts=1 + wire.count(headers, "MT-Fault-RetryCount"),
        message_type=_first_line(wire.text(headers, "MT-Fault-MessageType")),
    )


def _last_of_address(address: str | None) -> str | None:
    """`rabbitmq://host/virtual-host/queue?durable=true`: the queue."""
    try:
        return unquote(urlsplit(address or "").path.rpartition("/")[2]) or None
    except ValueError:
        return None


def _nservicebus(headers: Headers) -> Fault:
    error_type = wire.text(headers, "NServiceBus.ExceptionInfo.ExceptionType")
    stack = wire.text(headers, "NServiceBus.ExceptionInfo.StackTrace")
    endpoint = wire.text(headers, "NServiceBus.ProcessingEndpoint")
    failed = wire.text(headers, "NServiceBus.FailedQ")
    kinds = wire.text(headers, "NServiceBus.EnclosedMessageTypes")
    return Fault(
        source="NServiceBus",
        fingerprint=fingerprint(error_type, stack, failed),
        reason="fault",
        error_type=error_type,
        error_message=wire.text(headers, "NServiceBus.ExceptionInfo.Message"),
        stack=stack,
        failed_at=_nservicebus_moment(wire.text(headers, "NServiceBus.TimeOfFailure")),
        service=endpoint,
        host=wire.text(headers, "NServiceBus.ProcessingMachine"),
        queue=failed.partition("@")[0] or None if failed else None,
        message_type=kinds.partition(",")[0] if kinds else None,
    )


def _nservicebus_moment(text: str | None) -> datetime | None:
    """`2026-11-24 02:13:05:123456 Z`."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S:%f Z").replace(tzinfo=UTC)
    except ValueError:
        return None


def _spring(headers: Headers) -> Fault:
    """Java begins a stack with the error's type and text. Which queue it was Spring doesn't say,
    unless the message was sent to it by name, or the broker knows.
    """
    stack = wire.text(headers, "x-exception-stacktrace")
    message = wire.text(headers, "x-exception-message")
    cause = _root_of(stack)
    exchange = wire.text(headers, "x-original-exchange")
    key = wire.text(headers, "x-original-routingKey")
    died = _broker(headers) if "x-death" in headers else None
    return Fault(
        source="Spring",
        fingerprint=fingerprint(cause, stack, message),
        reason="fault",
        error_type=cause,
        error_message=message,
        stack=stack,
        failed_at=died.failed_at if died else None,
        queue=key if exchange == "" else (died.queue if died else None),
        exchange=exchange,
        routing_key=key,
    )


def _root_of(stack: str | None) -> str | None:
    """The type of the innermost cause, which is the handler's own error."""
    lines = (stack or "").splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    first = causes[-1] if causes else next(iter(lines), "")
    return first.partition(":")[0].strip() or None


def _broker(headers: Headers) -> Fault:
    """The newest death comes first (https://www.rabbitmq.com/docs/dlx#effects)."""
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    death: Headers = first if isinstance(first, dict) else {}
    queue, reason = wire.text(death, "queue"), wire.text(death, "reason")
    keys = death.get("routing-keys")
    at = death.get("time")
    return Fault(
        source=BROKER,
        fingerprint=fingerprint(None, None, queue, reason),
        reason=reason,
        failed_at=at if isinstance(at, datetime) else None,
        queue=queue,
        attempts=wire.count(death, "count") or None,
        exchange=wire.text(death, "exchange"),
        routing_key=keys[0] if isinstance(keys, list) and keys and _is_text(keys[0]) else None,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _first_line(text: str | None) -> str | None:
    return text.splitlines()[0] if text else None


def _begins_with(*prefixes: str) -> Callable[[Headers], bool]:
    return lambda headers: any(name.startswith(prefixes) for name in headers)


def _has(name: str) -> Callable[[Headers], bool]:
    return lambda headers: name in headers


_DIALECTS: tuple[tuple[Callable[[Headers], bool], Callable[[Headers], Fault]], ...] = (
    (_has(wire.DEAD_REASON), _toolkit),
    (_begins_with("MT-Fault-", "MT-Reason"), _masstransit),
    (_begins_with("NServiceBus.FailedQ", "NServiceBus.ExceptionInfo."), _nservicebus),
    (_begins_with("x-exception-"), _spring),
    (_has("x-death"), _broker),
)
