"""Their words and ours: properties to envelope and back, foreign errors to our own.

Receives pamqp's properties and aiormq's exceptions, hands `Envelope`s and `TransportError`s.
"""

import asyncio
from datetime import datetime
from typing import Any

import aiormq.exceptions as foreign
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from yarl import URL

from toolkit.errors import (
    AccessRefusedError,
    BrokerUnreachableError,
    ConnectionLostError,
    TransportError,
)
from toolkit.messages.envelope import Envelope
from toolkit.topology.declarations import Version
from toolkit.transport.rabbitmq.options import redacted

LOST = (
    foreign.AMQPError,
    foreign.ChannelInvalidStateError,
    ConnectionError,
    OSError,
    PAMQPException,
    StopAsyncIteration,
    RuntimeError,
)
"""What aio-pika raises when a channel or connection is not, or no longer, there."""

_REFUSED_CODES = (403, 530)


class MissingError(TransportError):
    """A queue or exchange does not exist."""


def envelope_from(properties: Basic.Properties, body: bytes) -> Envelope:
    """What came, as it came."""
    return Envelope(
        body=body,
        message_id=properties.message_id,
        type=properties.message_type,
        correlation_id=properties.correlation_id,
        timestamp=properties.timestamp,
        app_id=properties.app_id,
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        delivery_mode=properties.delivery_mode,
        priority=properties.priority,
        expiration=properties.expiration,
        reply_to=properties.reply_to,
        user_id=properties.user_id,
        cluster_id=properties.cluster_id,
        headers=properties.headers or {},
    )


def properties_from(envelope: Envelope) -> Basic.Properties:
    """The same on its way out."""
    return Basic.Properties(
        message_id=envelope.message_id,
        message_type=envelope.type,
        correlation_id=envelope.correlation_id,
        timestamp=envelope.timestamp,
        app_id=envelope.app_id,
        content_type=envelope.content_type,
        content_encoding=envelope.content_encoding,
        delivery_mode=envelope.delivery_mode,
        priority=envelope.priority,
        expiration=envelope.expiration,
        reply_to=envelope.reply_to,
        user_id=envelope.user_id,
        cluster_id=envelope.cluster_id or "",
        headers=envelope.headers or None,
    )


def version_from(server_properties: dict[str, Any]) -> Version:
    """Major and minor version; (3, 10), the oldest we know, where the broker doesn't say."""
    numbers = str(server_properties.get("version", "")).split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (IndexError, ValueError):
        return 3, 10


def connection_error(error: BaseException, url: URL) -> TransportError:
    """Why a connection could not be opened, as a sentence that names the address."""
    where = redacted(url)
    match error:
        case foreign.ProbableAuthenticationError() | foreign.AuthenticationError():
            return AccessRefusedError(
                f"the broker at {where} refused user '{url.user or 'guest'}': check the user name "
                f"and the password ({_text(error)})"
            )
        case foreign.ConnectionNotAllowed():
            return AccessRefusedError(_refused_host(where, _text(error)))
        case foreign.ConnectionClosed(args=(code, reason)) if code in _REFUSED_CODES:
            return AccessRefusedError(_refused_host(where, str(reason)))
        case TimeoutError():
            return BrokerUnreachableError(f"{where} accepted the connection but did not answer")
        case _:
            return BrokerUnreachableError(f"{where} can't be reached: {_text(error)}")


def _refused_host(where: str, reason: str) -> str:
    return (
        f"the broker refused {where}: {reason}. Create the virtual host "
        "(`rabbitmqctl add_vhost NAME`) or let the user in (`rabbitmqctl set_permissions "
        "-p NAME USER '.*' '.*' '.*'`)"
    )


def call_error(error: BaseException, what: str) -> TransportError:
    """Why a call on a channel failed."""
    match error:
        case TransportError():
            return error
        case foreign.ChannelAccessRefused():
            return AccessRefusedError(f"{what} was refused: {_text(error)}")
        case foreign.ChannelNotFoundEntity():
            return MissingError(f"{what} failed: {_text(error)}")
        case foreign.ChannelClosed():
            return TransportError(f"{what} failed: {_text(error)}")
        case _:
            return ConnectionLostError(f"the connection was lost during {what}: {_text(error)}")


def was_cancelled() -> bool:
    """Whether the running task is itself being cancelled.

    aiormq raises `CancelledError` at callers nobody cancelled when a channel goes away.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def second_precision(moment: datetime) -> datetime:
    """AMQP 0-9-1 timestamps are whole seconds (section 4.2.5.4)."""
    return moment.replace(microsecond=0)
