"""Settings from the environment (`TOOLKIT_...`) and `.env`.

Receives text from outside, hands typed values to the composition root; every problem is listed
at once, and none repeats a secret.
"""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from yarl import URL

from toolkit.errors import SettingsError
from toolkit.observability.logging import Format, Level
from toolkit.policies.duration import parse_duration
from toolkit.topology.declarations import TopologyMode
from toolkit.transport.memory import named
from toolkit.transport.rabbitmq.options import address_problem
from toolkit.transport.rabbitmq.tls import Tls, identify, require_certificate, trusting

PREFIX = "TOOLKIT_"


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str | timedelta) else value


def _is_positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than zero")
    return value


def _is_heartbeat(value: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= value <= timedelta(minutes=10):
        raise ValueError("must be between 1s and 10m; 5s to 20s is recommended")
    return value


def _is_address(value: SecretStr) -> SecretStr:
    urls = _split(value)
    problems = [
        f"address {number} {problem}"
        for number, url in enumerate(urls, start=1)
        if (problem := _problem_of_address(url))
    ]
    if len(urls) > 1 and any(map(named.is_memory, urls)):
        problems.append("a memory:// address stands alone: it is no node of a cluster")
    if problems or not urls:
        raise ValueError("; ".join(problems) or "names no address")
    return value


def _problem_of_address(url: str) -> str | None:
    return named.address_problem(url) if named.is_memory(url) else address_problem(url)


def _split(urls: SecretStr) -> tuple[str, ...]:
    return tuple(url.strip() for url in urls.get_secret_value().split(",") if url.strip())


def _is_for_tls(value: Path, info: ValidationInfo) -> Path:
    """What would be ignored is refused: whoever sets it counts on TLS."""
    urls = _split(info.data["amqp_url"]) if "amqp_url" in info.data else ()
    if any(URL(url).scheme == "amqp" for url in urls):
        raise ValueError("is set, but TOOLKIT_AMQP_URL has an address without TLS; use amqps://")
    return value


def _is_ca(value: Path | None, info: ValidationInfo) -> Path | None:
    if value is not None:
        trusting(_is_for_tls(value, info))
    return value


def _is_certificate(value: Path | None, info: ValidationInfo) -> Path | None:
    if value is not None:
        require_certificate(_is_for_tls(value, info))
    return value


def _is_its_key(value: Path | None, info: ValidationInfo) -> Path | None:
    if "tls_cert" not in info.data:
        return value  # which is a problem of its own
    certificate = info.data["tls_cert"]
    if certificate is not None:
        identify(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, value)
    elif value is not None:
        raise ValueError("is the key of no certificate; set TOOLKIT_TLS_CERT too")
    return value


Length = Annotated[timedelta, BeforeValidator(_duration)]
"""A length of time, written like "30s"."""
PositiveLength = Annotated[Length, AfterValidator(_is_positive)]


class Settings(BaseSettings):
    """How a service reaches its broker and how it behaves.

    `amqp_url` may name several nodes of a cluster, separated by commas, or `memory://`: a broker
    in this process, shared by all its services. Durations are written
    like "30s"; `max_body` is in bytes. The `tls_...` are PEM files, for amqps://: the CAs that a
    broker's certificate may come from, instead of the system's, and the certificate and key to
    show to a broker that asks. `lane="plain"` sends every message through aio-pika, several times
    slower, for comparison or if the fast lane is in doubt. Without a `health_port` health is told
    to nobody; `stall_limit` is how long the event loop may stand still. `allow_edit` lets people
    change dead letters before they replay them. Raises `SettingsError` with every problem.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    amqp_url: Annotated[SecretStr, AfterValidator(_is_address)] = SecretStr(
        "amqp://guest:guest@localhost/"
    )
    tls_ca: Annotated[Path | None, AfterValidator(_is_ca)] = None
    tls_cert: Annotated[Path | None, AfterValidator(_is_certificate)] = None
    tls_key: Annotated[Path | None, AfterValidator(_is_its_key)] = Field(
        default=None, validate_default=True
    )
    topology: TopologyMode = "declare"
    lane: Literal["fast", "plain"] = "fast"
    connect_timeout: PositiveLength = timedelta(seconds=30)
    heartbeat: Annotated[Length, AfterValidator(_is_heartbeat)] = timedelta(seconds=10)
    publish_timeout: PositiveLength = timedelta(seconds=30)
    shutdown_grace: Length = timedelta(seconds=25)
    max_body: int | None = Field(default=None, ge=1)
    crash_budget: int = Field(default=3, ge=1, le=100)
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=None, ge=1, le=65535)
    stall_limit: PositiveLength = timedelta(seconds=10)
    allow_edit: bool = False
    log_level: Level = "info"
    log_format: Format = "auto"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError("The settings can't be used", _problems(error)) from None

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses, with their passwords: not for people to read."""
        return _split(self.amqp_url)

    @property
    def tls(self) -> Tls:
        """The files for TLS."""
        return Tls(ca=self.tls_ca, cert=self.tls_cert, key=self.tls_key)

    @property
    def is_in_memory(self) -> bool:
        """Whether the broker is one in this process."""
        return named.is_memory(self.urls[0])


def _problems(error: ValidationError) -> list[str]:
    """One sentence for each, with the variable's name and without its value."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        f"{PREFIX}{'_'.join(map(str, detail['loc'])).upper()}: "
        f"{detail['msg'].removeprefix('Value error, ')}"
        for detail in details
    ]
