"""Which broker a command talks to.

Receives what was asked for and the project, hands commands an address and where it came from.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from toolkit.errors import (
    AccessRefusedError,
    BrokerUnreachableError,
    ConfigurationError,
    TlsError,
)
from toolkit.project import Project
from toolkit.service.settings import Settings
from toolkit.transport.memory import named

VARIABLE = "TOOLKIT_AMQP_URL"
DEV_FILE = Path(".toolkit", "dev.json")
"""Where a running `toolkit dev` says what it has started, from the project's root."""

PATIENCE = timedelta(seconds=5)
"""How long a command waits for a broker, unless TOOLKIT_CONNECT_TIMEOUT says otherwise."""


class ElsewhereError(ConfigurationError):
    """The address names a broker that only its own process can reach."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} names a broker in memory, which lives in another process",
            ["give --broker the address of a RabbitMQ; `toolkit dev --broker memory` has one too"],
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is. `url` may name several nodes, and has passwords in it."""

    url: str = field(repr=False)
    source: str
    """Who said so, for people: `--broker`, `TOOLKIT_AMQP_URL`..."""
    management_url: str | None = None

    def settings(self) -> Settings:
        """Everything else about the connection is as for a service, save that a person doesn't
        wait as long for a broker that isn't there.

        Raises `ElsewhereError` for memory://, and `SettingsError`.
        """
        if named.is_memory(self.url.strip()):
            raise ElsewhereError(self.source)
        settings = Settings(amqp_url=SecretStr(self.url))
        if "connect_timeout" in settings.model_fields_set:
            return settings
        return Settings(amqp_url=settings.amqp_url, connect_timeout=PATIENCE)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """An error that is about the address says whose it is."""
        try:
            yield
        except (AccessRefusedError, BrokerUnreachableError, TlsError) as error:
            raise type(error)(f"{error} (the address is from {self.source})") from error


def broker_address(project: Project | None, asked: str | None) -> Address:
    """What was asked for, else the environment's, else that of a running `toolkit dev` of this
    project, else what `.env` says, or the default. Raises `SettingsError`.
    """
    if asked:
        return Address(asked, "--broker")
    if variable := os.environ.get(VARIABLE):
        return Address(variable, VARIABLE)
    if project is not None and (running := _of_dev(project.root)) is not None:
        return running
    settings = Settings()
    source = f"{VARIABLE} in .env" if "amqp_url" in settings.model_fields_set else "the default"
    return Address(settings.amqp_url.get_secret_value(), source)


def _of_dev(root: Path) -> Address | None:
    """Where a `toolkit dev` has its broker; None where none runs, whatever a dead one left."""
    try:
        said = json.loads((root / DEV_FILE).read_text())
        pid, url = int(said["pid"]), str(said["amqp_url"])
        management = said.get("management_url")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Address(url, "toolkit dev", management) if _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    if pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's, but there
    return True
