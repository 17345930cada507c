"""Contracts as JSON schemas, committed for teams in other repositories.

Receives services, writes `NAME.vVERSION.json` into a folder, or says what is out of date.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit.messages.contract import Contract
from toolkit.operations.catalogue import owned_by
from toolkit.operations.file import reading, writing
from toolkit.service import Service


def rendered(contract: Contract) -> str:
    """The schema, as it is committed."""
    return json.dumps(contract.schema(), indent=2) + "\n"


def fingerprint(contract: Contract) -> str:
    """16 hex digits that change with the schema."""
    canonical = json.dumps(contract.schema(), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def write_schemas(services: Iterable[Service], folder: Path) -> list[Path]:
    """Every contract that these services own; returns the files. Raises `CannotWriteError`."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path, content in _files(services, folder):
        with writing(path):
            path.write_bytes(content)
        written.append(path)
    return written


def outdated_schemas(services: Iterable[Service], folder: Path) -> list[str]:
    """One sentence for each file that isn't what the code says. Older versions may stay.

    Raises `CannotReadError`.
    """
    problems = []
    for path, content in _files(services, folder):
        with reading(path):
            if not path.exists():
                problems.append(f"{path} is missing")
            elif path.read_bytes() != content:
                problems.append(f"{path} is not what the code says")
    return problems


def _files(services: Iterable[Service], folder: Path) -> Iterator[tuple[Path, bytes]]:
    for service in services:
        for contract in owned_by(service):
            name = f"{contract.name}.v{contract.version}.json"
            yield folder / name, rendered(contract).encode()
