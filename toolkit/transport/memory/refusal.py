"""What the broker answers when it does not do as it was asked, with AMQP's reply codes.

Raised by every part of the broker; the adapter turns it into the errors of the port.
"""

from typing import NoReturn

from toolkit.errors import TransportError

NOT_FOUND = 404
ACCESS_REFUSED = 403
RESOURCE_LOCKED = 405
PRECONDITION_FAILED = 406
NOT_ALLOWED = 530
INTERNAL_ERROR = 541

_NAMES = {
    NOT_FOUND: "NOT_FOUND",
    ACCESS_REFUSED: "ACCESS_REFUSED",
    RESOURCE_LOCKED: "RESOURCE_LOCKED",
    PRECONDITION_FAILED: "PRECONDITION_FAILED",
    NOT_ALLOWED: "NOT_ALLOWED",
    INTERNAL_ERROR: "INTERNAL_ERROR",
}

VIRTUAL_HOST = "/"
"""What the broker's one virtual host is called in its sentences."""


class Refusal(TransportError):
    """A call was refused; on a wire its channel would be closed, for 530 and 541 its connection.

    `code` is the reply code of AMQP 0-9-1 (section 1.2), `text` what RabbitMQ says with it.
    """

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = f"{_NAMES[code]} - {text}"
        super().__init__(self.text)


class Unequal(Refusal):
    """A declaration and what exists differ in one argument."""

    def __init__(
        self, kind: str, name: str, argument: str, *, wanted: object, found: object
    ) -> None:
        self.argument = argument
        self.wanted = wanted
        self.found = found
        super().__init__(
            PRECONDITION_FAILED,
            f"inequivalent arg '{argument}' for {described(kind, name)}: "
            f"received {_value(wanted)} but current is {_value(found)}",
        )


def described(kind: str, name: str) -> str:
    """A queue or exchange, as RabbitMQ names it."""
    return f"{kind} '{name}' in vhost '{VIRTUAL_HOST}'"


def missing(kind: str, name: str) -> Refusal:
    """There is no queue or exchange of this name."""
    return Refusal(NOT_FOUND, f"no {described(kind, name)}")


def precondition_failed(text: str) -> NoReturn:
    """Raises the refusal of something that can't be, or is no more."""
    raise Refusal(PRECONDITION_FAILED, text)


def _value(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return f"'{str(value).lower()}'"
        case int():
            return f"the value '{value}' of type 'signedint'"
        case _:
            return f"the value '{value}' of type 'longstr'"
