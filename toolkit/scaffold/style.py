"""How the project formats its code, as far as new code has to know.

Receives what ruff is told in pyproject.toml or ruff.toml, hands the width of a line, the order of
imports, and code as ruff leaves it.
"""

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigurationError
from toolkit.scaffold.errors import tool

_WIDTH = 88  # ruff's own


@dataclass(frozen=True, slots=True)
class Style:
    """Width in characters, and which packages are the project's own."""

    root: Path
    width: int = _WIDTH
    own: frozenset[str] = frozenset()

    def group(self, module: str) -> int:
        """Which block of imports a module belongs to, from the top: isort's four."""
        package = module.partition(".")[0]
        if module.startswith("."):
            return 3
        if package in self.own:
            return 2
        return 0 if package in sys.stdlib_module_names else 1

    def formatted(self, code: str) -> str:
        """As `ruff format` leaves it here. Raises MissingToolError, ConfigurationError."""
        ruff = tool("ruff.__main__").find_ruff_bin()
        done = subprocess.run(
            [ruff, "format", f"--line-length={self.width}", "--stdin-filename=new.py", "-"],
            cwd=self.root,
            input=code,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise ConfigurationError("ruff can't format new code here", [done.stderr.strip()])
        return done.stdout


def style_of(root: Path) -> Style:
    """What ruff is told there; its own defaults where it is told nothing."""
    ruff = _told(root)
    # As ruff does it: whatever lies in the root is the project's own.
    own = {path.stem for path in root.iterdir() if path.is_dir() or path.suffix == ".py"}
    named = ruff.get("lint", {}).get("isort", {}).get("known-first-party", ())
    return Style(root, int(ruff.get("line-length", _WIDTH)), frozenset({*own, *named, "tests"}))


def _told(root: Path) -> Mapping[str, Any]:
    """The first of the files that ruff looks into."""
    for name in (".ruff.toml", "ruff.toml", "pyproject.toml"):
        try:
            content = tomllib.loads((root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        found: Mapping[str, Any] = content
        if name == "pyproject.toml":
            found = content.get("tool", {}).get("ruff", {})
        return found
    return {}
