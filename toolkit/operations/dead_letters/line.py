"""Dead letters as lines of JSON, bytes exact, for a file.

Receives letters, hands lines; and the other way round.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from toolkit.messages.envelope import Envelope
from toolkit.messages.headers import format_moment
from toolkit.operations.dead_letters.letter import Letter, LetterError, properties_of
from toolkit.transport.rabbitmq.wire import UnreadableError, decode_properties


@dataclass(slots=True)
class FiledDelivery:
    """See `Delivery`: a letter that comes from a file, where there is nothing to settle."""

    envelope: Envelope
    exchange: str = ""
    routing_key: str = ""
    is_redelivered: bool = False
    earlier_deliveries: int = 0
    is_live: bool = True
    is_settled: bool = field(default=False)

    def ack(self) -> None:
        """See `Delivery`."""
        self.is_settled = True

    def reject(self) -> None:
        """See `Delivery`."""

    def give_back(self) -> None:
        """See `Delivery`."""


def line_of(letter: Letter) -> str:
    """One line: what it is, for people, and property list and body in base64."""
    fault = letter.fault
    return json.dumps(
        {
            "queue": letter.queue,
            "id": letter.id,
            "type": letter.type,
            "error": fault.error_type,
            "group": fault.fingerprint,
            "failed_at": None if letter.at is None else format_moment(letter.at),
            "properties": base64.b64encode(properties_of(letter.envelope)).decode(),
            "body": base64.b64encode(letter.envelope.body).decode(),
        }
    )


def letters_of(lines: Iterable[str], *, queue: str | None, source: str) -> Iterator[Letter]:
    """What the lines say, all in `queue` if that is given. Raises `LetterError` with the line."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            properties, body = _bytes(said, "properties"), _bytes(said, "body")
            into = queue or said["queue"]
            if not isinstance(into, str) or not 0 < len(into.encode()) <= 255:
                raise ValueError("its queue is no name of a queue")
            envelope = decode_properties(properties, body)
        except KeyError as error:
            raise _wrong(source, number, f"it has no {error}") from None
        except (ValueError, TypeError, RecursionError, UnreadableError) as error:
            raise _wrong(source, number, str(error)) from None
        yield Letter.of(into, FiledDelivery(envelope))


def _bytes(said: Any, name: str) -> bytes:
    if not isinstance(said, dict):
        raise TypeError("it is no JSON object")
    return base64.b64decode(str(said[name]), validate=True)


def _wrong(source: str, number: int, problem: str) -> LetterError:
    return LetterError(
        f"line {number} of {source} is no dead letter: {problem}; nothing was imported"
    )
