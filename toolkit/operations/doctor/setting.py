"""The settings, and what an address tells about itself.

Receives settings or the error that they ended in, hands findings.
"""

from collections.abc import Iterator
from datetime import timedelta

from yarl import URL

from toolkit.errors import SettingsError
from toolkit.operations.doctor.finding import Finding
from toolkit.policies.duration import format_duration
from toolkit.service.settings import Settings
from toolkit.transport.rabbitmq import redacted

CHECK = "settings"

_LEAST, _MOST = timedelta(seconds=5), timedelta(seconds=20)
_NEAR = ("localhost", "127.0.0.1", "::1")
_GUESSED_FIRST = ("guest", "password", "admin", "rabbitmq", "rabbit", "changeme", "secret", "test")
_VARIABLE = "TOOLKIT_AMQP_URL"


def problems(error: SettingsError, asked: str | None) -> list[Finding]:
    """One finding for each thing that can't be used."""
    return [_problem(problem, asked) for problem in error.problems]


def _problem(problem: str, asked: str | None) -> Finding:
    name, _, sentence = problem.partition(": ")
    if asked is not None and name == _VARIABLE:
        return Finding(CHECK, "--broker", "wrong", sentence, "give it an address that works")
    fix = f"set {name} anew, in the environment or in .env"
    return Finding(CHECK, name, "wrong", sentence, fix)


def settings(found: Settings, source: str) -> list[Finding]:
    """What is known without asking anybody."""
    shown = ", ".join(map(redacted, found.urls))
    address = Finding(CHECK, "address", "ok", f"{shown} ({source})")
    if found.is_in_memory:
        return [address]
    accounts = [finding for url in found.urls for finding in _account(URL(url))]
    return [address, *dict.fromkeys(accounts), *_heartbeat(found)]


def _account(url: URL) -> Iterator[Finding]:
    if url.host in _NEAR:
        return
    user, password = url.user or "guest", url.password or "guest"
    if user == "guest":
        yield Finding(
            CHECK,
            f"user '{user}'",
            "note",
            f"RabbitMQ lets it in from its own machine only, and {url.host} is another, "
            "unless loopback_users was changed",
            "make a user: `rabbitmqctl add_user NAME`, and put it into the address",
        )
    elif password == user or password.lower() in _GUESSED_FIRST:
        yield Finding(
            CHECK,
            f"user '{user}'",
            "note",
            "its password is among the first that anybody would try",
            f"`rabbitmqctl change_password {user}`, and put the new one into the address",
        )


def _heartbeat(found: Settings) -> Iterator[Finding]:
    if not _LEAST <= found.heartbeat <= _MOST:
        yield Finding(
            CHECK,
            "TOOLKIT_HEARTBEAT",
            "note",
            f"{format_duration(found.heartbeat)}: a shorter one takes a pause for a loss, a longer "
            "one takes a loss for a pause",
            "set it to something from 5s to 20s",
        )
