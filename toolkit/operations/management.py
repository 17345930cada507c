"""The broker's management API, as far as commands read it.

Receives its address and an AMQP address whose user asks, hands what it answers. It is only read. A
redirection isn't followed: it would take the password elsewhere.
"""

import asyncio
import base64
import http.client
import json
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from yarl import URL

from toolkit.errors import ToolkitError
from toolkit.transport.rabbitmq.tls import Tls

_TIMEOUT = 3.0  # seconds, for the connection and for each answer
_PORTS = {"http": 15672, "https": 15671}


class NoManagementError(ToolkitError):
    """The API gave no answer that can be used, with the reason; `status` where it gave one."""

    exit_code = 69  # sysexits.h: EX_UNAVAILABLE

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API, and when we had it by our own clock."""

    status: int
    body: bytes
    date: datetime | None
    asked: datetime
    received: datetime


@dataclass(frozen=True, slots=True)
class ManagementApi:
    """One user's look at it. `amqp_url` has the password in it."""

    address: str
    amqp_url: str = field(repr=False)
    tls: Tls

    @property
    def user(self) -> str:
        """Who asks."""
        return URL(self.amqp_url).user or "guest"

    @property
    def virtual_host(self) -> str:
        """The one that the AMQP address leads into."""
        return URL(self.amqp_url).path[1:].replace("%2F", "/").replace("%2f", "/") or "/"

    def path(self, kind: str, name: str | None = None) -> str:
        """Where things of this kind, or one of them, are told of."""
        parts = [kind, self.virtual_host, *([] if name is None else [name])]
        return "/api/" + "/".join(quote(part, safe="") for part in parts)

    async def look(self, path: str, *, else_none: HTTPStatus = HTTPStatus.NOT_FOUND) -> Any:
        """As `get`, without blocking; None if it answers with this status."""
        try:
            return await asyncio.to_thread(self.get, path)
        except NoManagementError as error:
            if error.status == else_none:
                return None
            raise

    def get(self, path: str) -> Any:
        """What it says, out of JSON. Blocks; raises NoManagementError, a sentence of its own."""
        where = f"the management API at {shown(self.address)}"
        try:
            answer = ask(self.address, path, self.amqp_url, self.tls)
        except NoManagementError as error:
            raise NoManagementError(
                f"{where} {error}; `rabbitmq-plugins enable rabbitmq_management` on the broker, or "
                "say where the API is with --management URL or TOOLKIT_MANAGEMENT_URL"
            ) from error
        match answer.status:
            case HTTPStatus.OK:
                return self._read(where, answer.body)
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                reason = (
                    f"{where} doesn't let user '{self.user}' ask about virtual host "
                    f"'{self.virtual_host}': the password is wrong, or the user lacks the tag, "
                    f"`rabbitmqctl set_user_tags {self.user} management`, or permissions there"
                )
            case HTTPStatus.NOT_FOUND:
                reason = f"{where} knows no {path.partition('?')[0]}"
            case status:
                reason = f"{where} answers {status}"
        raise NoManagementError(reason, answer.status)

    def _read(self, where: str, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError as error:
            raise NoManagementError(f"{where} answers something else than JSON") from error


def default_address(amqp_url: str) -> str:
    """Where the API is unless somebody moved it; over TLS where AMQP is."""
    url = URL(amqp_url)
    scheme = "https" if url.scheme == "amqps" else "http"
    return str(URL.build(scheme=scheme, host=url.host or "localhost", port=_PORTS[scheme]))


def ask(address: str, path: str, amqp_url: str, tls: Tls) -> Answer:
    """One question, with the user of the AMQP address. Blocks; raises NoManagementError."""
    account = URL(amqp_url)
    token = base64.b64encode(
        f"{account.user or 'guest'}:{account.password or 'guest'}".encode()
    ).decode()
    try:
        where = urlsplit(address)
        connection = _connection(where.scheme, where.hostname, where.port, tls)
        asked = datetime.now(UTC)
        try:
            connection.request(
                "GET", where.path.rstrip("/") + path, headers={"Authorization": f"Basic {token}"}
            )
            answer = connection.getresponse()
            received = datetime.now(UTC)
            body = answer.read()
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoManagementError(f"doesn't answer ({str(error) or type(error).__name__})") from error
    return Answer(answer.status, body, _date(answer.getheader("Date")), asked, received)


def _connection(
    scheme: str, host: str | None, port: int | None, tls: Tls
) -> http.client.HTTPConnection:
    if scheme not in _PORTS or not host:
        raise ValueError("it is no address; use http://host:15672")
    if scheme == "http":
        return http.client.HTTPConnection(host, port or _PORTS[scheme], timeout=_TIMEOUT)
    context: ssl.SSLContext = tls.context()
    return http.client.HTTPSConnection(
        host, port or _PORTS[scheme], timeout=_TIMEOUT, context=context
    )


def shown(address: str) -> str:
    """Without a password, should one be in it."""
    try:
        return str(URL(address).with_user(None).with_query(None))
    except ValueError:
        return "that address"


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except ValueError:
        return None
