"""Settings from the environment (`TOOLKIT_...`) and `.env`.

Receives text from outside, hands typed values to the composition root; every problem is listed
at once, and none repeats a secret.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolkit.errors import SettingsError
from toolkit.observability.logging import Format, Level
from toolkit.policies.duration import parse_duration
from toolkit.transport.rabbitmq.options import RabbitOptions, address_problem

PREFIX = "TOOLKIT_"


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str | timedelta) else value


Seconds = Annotated[timedelta, BeforeValidator(_duration)]
"""A length of time, written like "30s"."""


class Settings(BaseSettings):
    """How a service reaches its broker and how it behaves.

    `amqp_url` may name several nodes of a cluster, separated by commas. Durations are written
    like "30s". Raises `SettingsError` with every problem.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    amqp_url: SecretStr = SecretStr("amqp://guest:guest@localhost/")
    topology: Literal["declare", "check", "off"] = "declare"
    connect_timeout: Seconds = timedelta(seconds=30)
    heartbeat: Seconds = timedelta(seconds=10)
    publish_timeout: Seconds = timedelta(seconds=30)
    shutdown_grace: Seconds = timedelta(seconds=25)
    max_body: int | None = Field(default=None, ge=1)
    crash_budget: int = Field(default=3, ge=1, le=100)
    log_level: Level = "info"
    log_format: Format = "auto"

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError("The settings can't be used", _problems(error)) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [
            f"amqp_url: address {number} {problem}"
            for number, url in enumerate(self.urls, start=1)
            if (problem := address_problem(url))
        ]
        if not self.urls:
            problems.append("amqp_url: names no address")
        if not timedelta(seconds=1) <= self.heartbeat <= timedelta(minutes=10):
            problems.append("heartbeat: must be between 1s and 10m; 5s to 20s is recommended")
        problems += [
            f"{name}: must be longer than zero"
            for name in ("connect_timeout", "publish_timeout")
            if not getattr(self, name)
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses, with their passwords: not for people to read."""
        return tuple(
            url.strip() for url in self.amqp_url.get_secret_value().split(",") if url.strip()
        )

    def rabbit_options(self, service: str) -> RabbitOptions:
        """What the transport needs to know."""
        return RabbitOptions(
            urls=self.urls,
            service=service,
            heartbeat=self.heartbeat,
            connect_timeout=self.connect_timeout,
            topology=self.topology,
        )


def _problems(error: ValidationError) -> list[str]:
    """One sentence for each, with the variable's name and without its value."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        message = detail["msg"].removeprefix("Value error, ")
        if detail["loc"]:
            name = "_".join(str(part) for part in detail["loc"]).upper()
            problems.append(f"{PREFIX}{name}: {message}")
        else:
            for line in message.splitlines():
                name, _, rest = line.partition(": ")
                problems.append(f"{PREFIX}{name.upper()}: {rest}")
    return problems
