"""Settings come from what a test sets, and from nowhere else."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No TOOLKIT_ variable, and a directory without a `.env`."""
    for name in list(os.environ):
        if name.startswith("TOOLKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
