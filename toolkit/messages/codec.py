"""Bytes to message and back.

Receives a body from an `Envelope`, hands a validated model to the handler, and the other way
round. JSON goes straight between bytes and the model, with no dictionary in between.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from toolkit.errors import ContractError, UndecodableError
from toolkit.messages.contract import Message

M = TypeVar("M", bound=Message)

_MOST_ERRORS_SHOWN = 5
_MOST_ERRORS_READ = 500
_LONGEST_ERROR = 200  # characters


class Codec(Protocol):
    """Turns messages into bytes and back. Implementations hold no state."""

    @property
    def content_type(self) -> str:
        """What the body is labelled with on the wire."""
        ...

    def accepts(self, content_type: str | None) -> bool:
        """Whether a body with this label can be read."""
        ...

    def encode(self, message: Message) -> bytes:
        """The body for a message. Raises `ContractError` for what has no such form."""
        ...

    def decoder(self, model: type[M]) -> Callable[[bytes], M]:
        """A function from body to message, which raises `UndecodableError` and nothing else."""
        ...


class JsonCodec:
    """JSON by pydantic."""

    content_type = "application/json"

    def accepts(self, content_type: str | None) -> bool:
        """JSON under any of its labels; no label at all is taken for JSON."""
        if not content_type:
            return True
        label = content_type.partition(";")[0].strip().lower()
        return label in ("application/json", "text/json") or label.endswith("+json")

    def encode(self, message: Message) -> bytes:
        """The message as compact JSON, with its fields' aliases. Raises `ContractError`."""
        try:
            return message.__pydantic_serializer__.to_json(message, by_alias=True)
        except PydanticSerializationError as error:
            raise ContractError(f"this {type(message).__name__} is no JSON: {error}") from error

    def decoder(self, model: type[M]) -> Callable[[bytes], M]:
        """A decoder that reports at most five of pydantic's errors, without the values."""
        validate = model.__pydantic_validator__.validate_json

        def decode(body: bytes) -> M:
            try:
                return validate(body)  # type: ignore[no-any-return]
            except ValidationError as error:
                raise UndecodableError(_sentence(model, error)) from None
            except Exception as error:
                kind = type(error).__name__
                raise UndecodableError(f"not a {model.__name__}: {kind} in a validator") from error

        return decode


def _sentence(model: type[Message], error: ValidationError) -> str:
    """The first few errors. A body can bring about as many as it has bytes, so count first."""
    count = error.error_count()
    if count > _MOST_ERRORS_READ:
        return f"not a {model.__name__}: {count:,} errors"
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}"[:_LONGEST_ERROR]
        for detail in details[:_MOST_ERRORS_SHOWN]
    ]
    if count > len(shown):
        shown.append(f"and {count - len(shown)} more")
    return f"not a {model.__name__}: {'; '.join(shown)}"
