"""What can't be asked over AMQP: alarms, and the time that it is for the broker.

Receives the management API's address and an AMQP address whose user asks, hands findings. The API
is only read. A redirection isn't followed: it would take the password elsewhere.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from toolkit.errors import ToolkitError
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import in_thread
from toolkit.transport.rabbitmq.tls import Tls

CHECK = "management"
ALARMS, CLOCK = "alarms", "clock"

MOST_SKEW = timedelta(seconds=2)
_TIMEOUT = 3.0  # seconds, for the connection and for each answer
_ALARMS_PATH = "/api/health/checks/alarms"
_PORTS = {"http": 15672, "https": 15671}
_REMEDIES = {
    "memory": "give the broker's machine memory, or raise vm_memory_high_watermark",
    "disk": "free disk space on the broker's machine, or lower disk_free_limit",
}


class NoManagementError(ToolkitError):
    """The API gave no answer, with the reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API, and when we had it by our own clock."""

    status: int
    body: bytes
    date: datetime | None
    asked: datetime
    received: datetime


def default_address(amqp_url: str) -> str:
    """Where the API is unless somebody moved it; over TLS where AMQP is."""
    url = URL(amqp_url)
    scheme = "https" if url.scheme == "amqps" else "http"
    return str(URL.build(scheme=scheme, host=url.host or "localhost", port=_PORTS[scheme]))


async def management(address: str, amqp_url: str, tls: Tls) -> list[Finding]:
    """Both looks, from one answer."""
    try:
        answer = await in_thread(lambda: ask(address, _ALARMS_PATH, amqp_url, tls))
    except NoManagementError as error:
        reason = f"not looked at: the management API at {shown(address)} {error}"
        fix = (
            "`rabbitmq-plugins enable rabbitmq_management` on the broker, or say where the API is "
            "with --management URL or TOOLKIT_MANAGEMENT_URL"
        )
        return [Finding(CHECK, subject, "unknown", reason, fix) for subject in (ALARMS, CLOCK)]
    return [*alarms(answer, URL(amqp_url).user or "guest"), clock(answer)]


def ask(address: str, path: str, amqp_url: str, tls: Tls) -> Answer:
    """One question, with the user of the AMQP address. Blocks; raises NoManagementError."""
    where = urlsplit(address)
    account = URL(amqp_url)
    token = base64.b64encode(
        f"{account.user or 'guest'}:{account.password or 'guest'}".encode()
    ).decode()
    try:
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


def alarms(answer: Answer, user: str) -> Iterator[Finding]:
    """Memory and disk: while one is up, nothing that is published gets through."""
    match answer.status:
        case HTTPStatus.OK:
            yield Finding(CHECK, ALARMS, "ok", "none is up")
        case HTTPStatus.SERVICE_UNAVAILABLE:
            yield from _raised(answer.body)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            sentence = f"not looked at: the management API doesn't let user '{user}' ask"
            fix = f"`rabbitmqctl set_user_tags {user} management`, or look by hand: {_BY_HAND}"
            yield Finding(CHECK, ALARMS, "unknown", sentence, fix)
        case status:
            sentence = f"not looked at: the management API answers {status}"
            yield Finding(CHECK, ALARMS, "unknown", sentence, f"look by hand: {_BY_HAND}")


_BY_HAND = "`rabbitmq-diagnostics alarms`"


def _raised(body: bytes) -> Iterator[Finding]:
    said = _json(body)
    raised = said.get("alarms") if isinstance(said, dict) else None
    if not isinstance(raised, list) or not raised:
        sentence = "one is up: publishers are blocked"
        yield Finding(CHECK, ALARMS, "wrong", sentence, f"{_BY_HAND} says which")
        return
    for alarm in raised:
        resource, node = (alarm.get(key, "?") for key in ("resource", "node"))
        sentence = (
            f"the one for {resource} is up on {node}: every publisher of the cluster is blocked"
        )
        fix = _REMEDIES.get(resource, f"{_BY_HAND} says more")
        yield Finding(CHECK, ALARMS, "wrong", sentence, fix)


def clock(answer: Answer) -> Finding:
    """The broker's time against ours; a Date has whole seconds, so it is a second long."""
    if answer.date is None:
        return Finding(CHECK, CLOCK, "unknown", "not compared: the management API sends no Date")
    skew = skew_of(answer)
    if skew <= MOST_SKEW:
        return Finding(CHECK, CLOCK, "ok", "ours and the broker's agree, within two seconds")
    sentence = (
        f"ours and the broker's are {skew.total_seconds():.0f} seconds apart: `first-failed-at`, "
        "`retry-not-before` and `failed-at` are this machine's time, read by services on others, "
        "while delays pass by the broker's"
    )
    return Finding(CHECK, CLOCK, "wrong", sentence, "let NTP or chrony set the clocks of both")


def skew_of(answer: Answer) -> timedelta:
    """At least how far the clocks are apart, whatever happened between question and answer."""
    assert answer.date is not None
    ahead = answer.date - answer.received
    behind = answer.asked - (answer.date + timedelta(seconds=1))
    return max(ahead, behind, timedelta())


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


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
