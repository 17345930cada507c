"""Settings from the environment (`TOOLKIT_...`) and `.env`.

Receives text from outside, hands typed values to the composition root; every problem is listed
at once, and none repeats a secret.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolkit.errors import SettingsError
from toolkit.observability.logging import Format, Level
from toolkit.policies.duration import parse_duration
from toolkit.topology.declarations import TopologyMode
from toolkit.transport.memory import named
from toolkit.transport.rabbitmq.options import address_problem

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


Length = Annotated[timedelta, BeforeValidator(_duration)]
"""A length of time, written like "30s"."""
PositiveLength = Annotated[Length, AfterValidator(_is_positive)]


class Settings(BaseSettings):
    """How a service reaches its broker and how it behaves.

    `amqp_url` may name several nodes of a cluster, separated by commas, or `memory://`: a broker
    in this process, shared by all its services. Durations are written
    like "30s"; `max_body` is in bytes. Without a `health_port` health is told to nobody;
    `stall_limit` is how long the event loop may stand still. `lane="plain"` sends every message
    through aio-pika, several times slower, for comparison or if the fast lane is in doubt. Raises
    `SettingsError` with every problem.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    amqp_url: Annotated[SecretStr, AfterValidator(_is_address)] = SecretStr(
        "amqp://guest:guest@localhost/"
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
