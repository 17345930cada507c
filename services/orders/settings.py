"""What the environment may change about orders; the broker's settings are the toolkit's.

Receives ORDERS_… from the environment and .env, hands Settings to the service and the process.
"""

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from toolkit import SettingsError

PREFIX = "ORDERS_"


class Settings(BaseSettings):
    """Orders as it runs here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore")

    database_url: str = "sqlite+aiosqlite:///orders.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    announce_every_seconds: float = Field(default=5.0, gt=0, le=3600)


def read_settings() -> Settings:
    """What the environment says. Raises SettingsError with every problem at once."""
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError("The settings of orders can't be used", problems) from error
