"""`[tool.toolkit]` in pyproject.toml.

Receives the file, hands the project what it says of its services.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from toolkit.errors import ConfigurationError

FILE = "pyproject.toml"

_Target = Annotated[str, StringConstraints(pattern=r"^[\w.]+:[\w.]+$")]


class ServiceTable(BaseModel):
    """`[tool.toolkit.service.NAME]`: a service that is elsewhere, or started otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: _Target
    command: tuple[str, ...] = ()
    folder: str | None = None


class ToolkitTable(BaseModel):
    """`[tool.toolkit]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    services: str = "services"
    """The folder whose packages are services, from where pyproject.toml is."""
    service: dict[str, ServiceTable] = Field(default_factory=dict)


def table_in(root: Path) -> ToolkitTable | None:
    """The table of the pyproject.toml in this folder, or None if there is none.

    Raises ConfigurationError with every problem at once.
    """
    path = root / FILE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        tool: dict[str, Any] = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} can't be read", [str(error)]) from error
    if "toolkit" not in tool:
        return None
    try:
        return ToolkitTable.model_validate(tool["toolkit"])
    except ValidationError as error:
        problems = [
            f"tool.toolkit.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        ]
        raise ConfigurationError(f"{path} says what can't be used", problems) from error
