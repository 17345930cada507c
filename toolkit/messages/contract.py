"""What a message means: its kind, name, version and schema.

Receives class definitions from users, hands `Contract`s to producers, consumers and codecs.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from toolkit.errors import ContractError

Kind = Literal["event", "command"]

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_LONGEST_NAME = 127  # half of AMQP's 255-byte short string, so that derived names fit as well


@dataclass(frozen=True, slots=True)
class Contract:
    """The identity of a message type on the wire."""

    kind: Kind
    name: str
    version: int
    model: "type[Message]"

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the body, for teams in another repository or language."""
        schema = self.model.model_json_schema()
        return {"$id": f"{self.name}.v{self.version}", **schema}


class Message(BaseModel):
    """A frozen pydantic model. Derive from `Event` or `Command`, not from this.

    Unknown fields are ignored, so a sender may add fields before its receivers know them.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    __contract__: ClassVar[Contract | None] = None
    __kind__: ClassVar[Kind]

    def __init_subclass__(cls, *, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__contract__ = None
        if name is None:
            return  # an abstract base for other contracts
        if not hasattr(cls, "__kind__"):
            raise ContractError(f"{cls.__qualname__}: derive from Event or Command, not Message")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            raise ContractError(
                f"{cls.__qualname__}: '{name}' is no name for a message; use lower-case words "
                f"joined by dots, such as 'orders.placed', {_LONGEST_NAME} characters at most"
            )
        if version < 1:
            raise ContractError(f"{cls.__qualname__}: version {version} must be 1 or more")
        cls.__contract__ = Contract(kind=cls.__kind__, name=name, version=version, model=cls)


class Event(Message):
    """Something that happened; every subscriber gets a copy.

        class OrderPlaced(Event, name="orders.placed", version=1):
            order_id: UUID

    `name` is the routing key too: lower-case words joined by dots. `version` travels as a header.
    Raises `ContractError` for a name or version that can't work.
    """

    __kind__ = "event"


class Command(Message):
    """Something to be done by the one service that handles it.

        class ShipOrder(Command, name="shipping.ship-order"):
            order_id: UUID

    `name` and `version` are as an event's.
    """

    __kind__ = "command"


def contract_of(model: type[Message]) -> Contract:
    """The contract of a message class.

    Raises `ContractError` for a class that was defined without a name.
    """
    if model.__contract__ is None:
        raise ContractError(
            f"{model.__qualname__} has no name; define it as "
            f'`class {model.__name__}({model.__bases__[0].__name__}, name="...")`'
        )
    return model.__contract__
