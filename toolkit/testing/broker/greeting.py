"""Who listens at an AMQP URL, told from the first frame, without logging in.

Receives a URL, hands the product and its version to the ways; also how they wait for a broker.
"""

import re
import socket
import ssl
import struct
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from toolkit.testing.broker.found import BrokerFailedError
from toolkit.testing.broker.management import Management, ManagementError

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_FRAME_HEADER = struct.Struct(">BHI")  # type, channel, size: AMQP 0-9-1, section 2.3.5
_POLL = 0.1


def greet(url: str, *, timeout: float = 5.0) -> str:
    """Return product and version of the broker at `url`, such as ``RabbitMQ 4.0.5``.

    Raises OSError where nobody answers, or somebody who doesn't speak AMQP.
    """
    parts = urlsplit(url)
    with _connect(parts, timeout) as connection:
        connection.sendall(_PROTOCOL_HEADER)
        _, _, size = _FRAME_HEADER.unpack(_read(connection, _FRAME_HEADER.size))
        start = _read(connection, min(size, 1 << 16))
    return f"{_property(start, b'product')} {_property(start, b'version')}".strip()


def await_broker(
    url: str, management_url: str, *, is_alive: Callable[[], bool], timeout: float = 90.0
) -> str:
    """Wait until the broker takes both AMQP and HTTP, and return its greeting.

    Raises BrokerFailedError once it has died or `timeout` seconds are over.
    """
    deadline = time.monotonic() + timeout
    management = Management(management_url, credentials_of=url)
    while True:
        try:
            greeting = greet(url)
            management.ask_overview()
        except (OSError, ManagementError) as refusal:
            if not is_alive():
                raise BrokerFailedError("it ended while it started") from refusal
            if time.monotonic() > deadline:
                raise BrokerFailedError(
                    f"it took no connection within {timeout:.0f} s ({refusal})"
                ) from refusal
            time.sleep(_POLL)
        else:
            return greeting


def _connect(parts: SplitResult, timeout: float) -> socket.socket:
    host, has_tls = parts.hostname or "localhost", parts.scheme == "amqps"
    port = parts.port or (5671 if has_tls else 5672)
    connection = socket.create_connection((host, port), timeout)
    if not has_tls:
        return connection
    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def _read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError("it hung up without an AMQP greeting")
        received += chunk
    return received


def _property(start: bytes, name: bytes) -> str:
    # A table entry: short string, then S, a 32-bit length and the text.
    entry = bytes([len(name)]) + name + b"S"
    found = re.search(re.escape(entry) + rb"(....)", start, re.DOTALL)
    if found is None:
        return ""
    (length,) = struct.unpack(">I", found[1])
    return start[found.end() : found.end() + length].decode("utf-8", "replace")
