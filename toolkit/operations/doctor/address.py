"""Which broker is meant: the one that was asked for, that is set, or that `toolkit dev` runs.

Receives the command line's word and the project's folder, hands the settings that lead there.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.service.settings import Settings

NOTE = Path(".toolkit") / "dev.json"
"""Where a running `toolkit dev` says which broker it has."""


@dataclass(frozen=True, slots=True)
class Address:
    """Settings that lead to a broker, and where the address in them comes from."""

    settings: Settings
    source: str
    management: str | None = None


def broker_address(asked: str | None, root: Path | None) -> Address:
    """The broker to look at. Raises SettingsError."""
    if asked is not None:
        return Address(Settings(amqp_url=asked), "--broker")
    settings = Settings()
    if "amqp_url" in settings.model_fields_set:
        return Address(settings, "TOOLKIT_AMQP_URL")
    if root is not None and (note := _note_in(root / NOTE)):
        running = Settings(amqp_url=note["amqp_url"])
        return Address(running, "`toolkit dev`, which is running", note.get("management_url"))
    return Address(settings, "the default: TOOLKIT_AMQP_URL isn't set")


def _note_in(file: Path) -> dict[str, Any] | None:
    """What a `toolkit dev` has noted that is still running."""
    try:
        said: dict[str, Any] = json.loads(file.read_text())
        os.kill(int(said["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or its process is gone, or is somebody else's by now
    return said if isinstance(said.get("amqp_url"), str) else None
