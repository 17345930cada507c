"""Samples: for every type that a contract is likely to have, a message that it takes."""

from pathlib import Path

import pytest

from toolkit.errors import ConfigurationError
from toolkit.scaffold.field import field
from toolkit.scaffold.sample import NoSampleError, sample

HEAD = """
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID
from pydantic import AwareDatetime, BaseModel, Field, JsonValue, StringConstraints, field_validator
from toolkit import Event

class Colour(Enum):
    RED = "red"

class Line(BaseModel):
    product: Annotated[str, StringConstraints(pattern=r"^[^\\x00-\\x1f]+$", max_length=200)]
    price: Decimal = Field(ge=2, max_digits=10, decimal_places=2)

class Node(BaseModel):
    children: "list[Node]"

class Loop(BaseModel):
    again: "Loop"
"""


REFUSES = """
    @field_validator("a")
    @classmethod
    def check(cls, v: str) -> str:
        raise ValueError("no")
"""


def made(annotation: str, tmp_path: Path, rest: str = "") -> object:
    text = f'{HEAD}\nclass E(Event, name="e"):\n    a: {annotation}\n{rest}'
    return sample(text, "E", package="services.shop", root=tmp_path)["a"]


@pytest.mark.parametrize(
    "annotation",
    [
        *(
            field(f"a:{typed}").annotation
            for typed in (
                *("str", "int", "float", "bool", "decimal", "uuid", "datetime", "date", "json"),
                *("list[str]", "list[uuid]?", "list[list[date]]"),
            )
        ),
        *("time", "timedelta", "datetime", "bytes", "Any", "Colour", "Line", "tuple[Line, ...]"),
        *("dict[str, Line]", "set[int]", "tuple[int, str]", "None", "int | None", "Line | str"),
        *("Literal['a', 'b']", "Literal['a']", "Annotated[int, Field(gt=5, lt=7)]"),
        *("Annotated[int, Field(ge=3, multiple_of=7)]", "Annotated[float, Field(gt=0, lt=1)]"),
        *("Annotated[int, Field(le=-4)]", "Annotated[str, Field(min_length=30)]"),
        *("Annotated[str, Field(max_length=2)]", "Annotated[str, Field(pattern='^[A-Z]{3}$')]"),
        *("Annotated[list[int], Field(min_length=2)]", "dict[str, Any]", "list[Any]"),
        "Annotated[str, Field(pattern='^x+$', examples=['xxx'])]",
    ],
)
def test_a_sample_is_made_for_every_usual_type(annotation: str, tmp_path: Path) -> None:
    """It is validated by the contract itself before it is handed out."""
    made(annotation, tmp_path)


def test_a_field_with_a_default_is_left_out(tmp_path: Path) -> None:
    text = f'{HEAD}\nclass E(Event, name="e"):\n    a: int = 1\n'
    assert sample(text, "E", package="services.shop", root=tmp_path) == {}


@pytest.mark.parametrize(
    ("annotation", "rest"),
    [
        ("Annotated[str, Field(pattern='^x+$')]", ""),
        ("Loop", ""),
        ("Node", ""),
        (
            "str",
            REFUSES,
        ),
    ],
)
def test_where_none_can_be_made_the_error_says_what_to_do(
    annotation: str, rest: str, tmp_path: Path
) -> None:
    """An example in the contract is taken as it is."""
    with pytest.raises(NoSampleError, match=r"Field\(examples=\[\.\.\.\]\)") as refused:
        made(annotation, tmp_path, rest)
    assert "E" in str(refused.value)


def test_contracts_that_fail_by_themselves_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.shop can't be loaded"):
        sample("1 / 0", "E", package="services.shop", root=tmp_path)
