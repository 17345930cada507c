"""What the environment may change about notifications; the broker's settings are the toolkit's.

Receives NOTIFICATIONS_… from the environment and .env, hands Settings to the service.
"""

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolkit import SettingsError

PREFIX = "NOTIFICATIONS_"


class Settings(BaseSettings):
    """Notifications as it runs here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore")

    database_url: str = "sqlite+aiosqlite:///notifications.db"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=1025, ge=1, le=65535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    sender: str = "The Shop <orders@shop.example>"
    retry_after: tuple[str, ...] = ("1s", "5s", "30s", "2m")


def read_settings() -> Settings:
    """What the environment says. Raises SettingsError with every problem at once."""
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("The settings of notifications can't be used", problems) from error
