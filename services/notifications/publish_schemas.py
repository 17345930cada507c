"""Writes the event that notifications owns down as a JSON schema, for teams in other repositories.

Receives the contract, hands `schemas/<event>.v<version>.json` to version control. Run it after
changing the contract: `python -m services.notifications.publish_schemas`.
"""

import json
from pathlib import Path

from toolkit import Event
from toolkit.messages.contract import contract_of

from .contracts import CustomerNotified

FOLDER = Path(__file__).parent / "schemas"
OWNED: tuple[type[Event], ...] = (CustomerNotified,)


def render(event: type[Event]) -> str:
    """The schema, as it is committed."""
    return json.dumps(contract_of(event).schema(), indent=2) + "\n"


def path_of(event: type[Event]) -> Path:
    """Where it is committed."""
    contract = contract_of(event)
    return FOLDER / f"{contract.name}.v{contract.version}.json"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for event in OWNED:
        path_of(event).write_text(render(event))


if __name__ == "__main__":
    main()
