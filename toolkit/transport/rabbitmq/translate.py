"""Their words and ours: properties to envelope and back, foreign errors to our own.

Receives property lists and aiormq's exceptions, hands `Envelope`s and `TransportError`s.
"""

import asyncio
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
from toolkit.messages.envelope import Envelope, Headers
from toolkit.messages.headers import ORIGINAL_PROPERTIES
from toolkit.topology.declarations import Version
from toolkit.transport.rabbitmq.options import redacted
from toolkit.transport.rabbitmq.wire import UnreadableError, decode_properties

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

_REFUSALS = ("NOT_ALLOWED", "ACCESS_REFUSED")  # reply codes 530 and 403


class MissingError(TransportError):
    """A queue or exchange does not exist."""


class RawProperties(Basic.Properties):
    """Properties that are encoded already. The library needs to know the id, to match a return."""

    def __init__(self, raw: bytes, message_id: str) -> None:
        super().__init__(message_id=message_id)
        self.raw = raw

    def marshal(self) -> bytes:
        """What the library writes into the content header."""
        return self.raw


def envelope_from(properties: bytes, body: bytes) -> Envelope:
    """What came, as it came; where the properties can't be read they are kept as bytes."""
    try:
        return decode_properties(properties, body)
    except UnreadableError as error:
        kept: Headers = {ORIGINAL_PROPERTIES: bytearray(properties)}
        return Envelope(body, headers=kept, unreadable=str(error))


def version_from(server_properties: dict[str, Any]) -> Version:
    """Major and minor version; (3, 10), the oldest we know, where the broker doesn't say."""
    numbers = str(server_properties.get("version", "")).split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (IndexError, ValueError):
        return 3, 10


def connection_error(error: BaseException, url: URL, farewell: str | None) -> TransportError:
    """Why a connection could not be opened, as a sentence that names the address.

    `farewell` is what the broker said: it tells refusals, which only somebody can mend, from
    everything that may mend itself.
    """
    where = redacted(url)
    reason = farewell or _text(error)
    if isinstance(error, foreign.ProbableAuthenticationError | foreign.AuthenticationError):
        return AccessRefusedError(
            f"the broker at {where} refused user '{url.user or 'guest'}': check the user name "
            f"and the password ({reason})"
        )
    if farewell and farewell.startswith(_REFUSALS):
        return AccessRefusedError(_refused_host(where, farewell))
    if isinstance(error, TimeoutError):
        return BrokerUnreachableError(f"{where} accepted the connection but did not answer")
    return BrokerUnreachableError(f"{where} can't be reached: {reason}")


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
