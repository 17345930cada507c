"""Another body for a dead letter.

Receives a letter and what to change, hands bytes that its contract takes, where that is known.
"""

import json
from collections.abc import Sequence
from typing import Any

from toolkit.errors import ToolkitError, UndecodableError
from toolkit.messages.codec import JsonCodec
from toolkit.messages.contract import Contract
from toolkit.operations.dead_letters.letter import Letter, LetterError


class EditForbiddenError(ToolkitError):
    """Editing is off unless somebody has allowed it."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "dead letters may not be edited here: an edited message is one that nobody sent; "
            "TOOLKIT_ALLOW_EDIT=true allows it"
        )


class EditError(ToolkitError):
    """The new body can't be used."""

    exit_code = 65


def changed(letter: Letter, changes: Sequence[str]) -> bytes:
    """The body with `path=value` carried out in it. A value is JSON, or else text.

    Raises `EditError` for a path that isn't there, `LetterError` for a body that is no JSON.
    """
    try:
        body = letter.decoded()
    except ValueError as error:
        raise LetterError(
            f"the body of letter '{letter.id}' is no JSON ({error}); give a whole one with --body"
        ) from error
    for change in changes:
        _change(body, change)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _change(body: Any, change: str) -> None:
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise EditError(f"--set {change!r}: write PATH=VALUE, such as customer.email=a@example.com")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    *before, last = path.split(".")
    container = body
    for name in before:
        container = _at(container, name, path)
    if isinstance(container, dict):
        container[last] = value
        return
    _at(container, last, path)
    container[int(last)] = value


def _at(container: Any, name: str, path: str) -> Any:
    try:
        match container:
            case dict():
                return container[name]
            case list():
                return container[int(name)]
    except (KeyError, IndexError, ValueError):
        pass
    has = f"; there are {', '.join(map(str, container))}" if isinstance(container, dict) else ""
    raise EditError(f"--set {path}: there is no '{name}' in the body{has}")


def validated(body: bytes, contract: Contract | None) -> bytes:
    """The body. Raises `EditError` for one that the contract, or without one JSON, doesn't take."""
    try:
        if contract is None:
            json.loads(body)
        else:
            JsonCodec().decoder(contract.model)(body)
    except (ValueError, RecursionError, UndecodableError) as error:
        raise EditError(f"the new body can't be used: {error}; nothing was changed") from error
    return body
