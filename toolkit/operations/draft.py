"""What is to be published, proven before the first of it goes out.

Receives text from the command line or lines of a file, hands publications to whoever sends them.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import ContractError, ToolkitError
from toolkit.messages import headers as wire
from toolkit.messages.outgoing import Publication, SendOptions
from toolkit.operations.catalogue import Entry
from toolkit.operations.file import reading
from toolkit.operations.record import Sighting, is_record, sighting_of
from toolkit.sending.pipeline import SendPipeline
from toolkit.topology import naming

_MOST_PROBLEMS_SHOWN = 20

Make = Callable[[bytes], Publication]
"""One line, or one body, as a publication. Raises a `ToolkitError` that says what is wrong."""


class UnfitError(ToolkitError):
    """Some of what was to be published is not what its contract says; nothing was sent."""

    exit_code = 65

    def __init__(self, problems: Sequence[str], count: int) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        more = f"\n  - and {count - len(problems):,} more" if count > len(problems) else ""
        super().__init__(f"nothing was sent, because of what can't be:{lines}{more}")


class Drafts:
    """Makes publications of one message of the project, or of what a tap has saved."""

    def __init__(
        self, entry: Entry | None, pipeline: SendPipeline, headers: Mapping[str, Any]
    ) -> None:
        self._entry = entry
        self._pipeline = pipeline
        self._headers = headers
        self._decode = entry.codec.decoder(entry.contract.model) if entry else None
        if entry is not None:
            pipeline.declare(entry.route)

    def of(self, body: bytes) -> Publication:
        """A body, held against the contract; with an id of its own each time."""
        if self._decode is None:
            raise ContractError(
                "it is a body, so name the message that it is: toolkit publish NAME --from FILE"
            )
        message = self._decode(body)
        return self._pipeline.prepare(message, SendOptions(headers=self._headers)).publication

    def of_line(self, line: bytes) -> Publication:
        """A body as above, or what a tap has saved, which is sent as it was: held against a
        contract only if a message was named, for it may be somebody else's.
        """
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ContractError(f"it is no JSON: {error}") from error
        except RecursionError as error:
            raise ContractError("it is nested too deep") from error
        if not is_record(value):
            return self.of(line)
        sighting = sighting_of(value)
        self._check(sighting)
        envelope = sighting.envelope
        envelope.headers = {**wire.without_brokers_own(envelope.headers), **self._headers}
        # The broker would refuse another user's name.
        envelope.user_id = None
        envelope.message_id = envelope.message_id or os.urandom(16).hex()
        is_command = sighting.exchange == naming.COMMANDS
        return Publication(envelope, sighting.exchange, sighting.routing_key, is_command)

    def _check(self, sighting: Sighting) -> None:
        """Raises `ContractError` for what can't be sent as it was, or isn't what was named."""
        envelope = sighting.envelope
        if envelope.unreadable:
            raise ContractError(f"its properties could not be read: {envelope.unreadable}")
        if self._entry is None or self._decode is None:
            return
        named, is_named = self._entry.contract.name, envelope.type or sighting.routing_key
        if is_named != named:
            raise ContractError(f"it is '{is_named}', not '{named}'")
        self._decode(envelope.body)


def proven(path: Path, make: Make) -> int:
    """How many lines of a file there are to send. Raises `UnfitError` with all that are unfit."""
    problems: list[str] = []
    count = unfit = 0
    for number, line in _lines(path):
        count += 1
        try:
            make(line)
        except ToolkitError as error:
            unfit += 1
            if len(problems) < _MOST_PROBLEMS_SHOWN:
                problems.append(f"{path}:{number}: {error}")
    if unfit:
        raise UnfitError(problems, unfit)
    return count


def from_file(path: Path, make: Make) -> Iterator[Publication]:
    """One after the other, so that a long file needs little memory."""
    for _, line in _lines(path):
        yield make(line)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with reading(path), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield number, text
