"""What can't be asked over AMQP: alarms, and the time that it is for the broker.

Receives the management API's address and an AMQP address whose user asks, hands findings.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from yarl import URL

from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import in_thread
from toolkit.operations.management import Answer, NoManagementError, ask, shown
from toolkit.transport.rabbitmq.tls import Tls

CHECK = "management"
ALARMS, CLOCK = "alarms", "clock"

MOST_SKEW = timedelta(seconds=2)
_ALARMS_PATH = "/api/health/checks/alarms"
_REMEDIES = {
    "memory": "give the broker's machine memory, or raise vm_memory_high_watermark",
    "disk": "free disk space on the broker's machine, or lower disk_free_limit",
}


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


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
