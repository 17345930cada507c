"""Fields: each type, with and without a default, and what is none."""

import re

import pytest

from toolkit.scaffold.errors import WrongNameError
from toolkit.scaffold.field import TYPES, field, fields


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("a:str", "a: str"),
        ("a:int", "a: int"),
        ("a:float", "a: float"),
        ("a:bool", "a: bool"),
        ("a:decimal", "a: Decimal"),
        ("a:uuid", "a: UUID"),
        ("a:datetime", "a: AwareDatetime"),
        ("a:date", "a: date"),
        ("a:json", "a: JsonValue"),
        ("a:list[str]", "a: tuple[str, ...]"),
        ("a:list[list[int?]]", "a: tuple[tuple[int | None, ...], ...]"),
        ("a:str?", "a: str | None = None"),
        ("a:list[uuid]?", "a: tuple[UUID, ...] | None = None"),
        ("a:str=", 'a: str = ""'),
        ('a:str=say "hi"=ä', 'a: str = "say \\"hi\\"=ä"'),
        ("a:str?=x", 'a: str | None = "x"'),
        ("a:int=-3", "a: int = -3"),
        ("a:float=2", "a: float = 2.0"),
        ("a:bool=True", "a: bool = True"),
        ("a:bool=false", "a: bool = False"),
        ("a:decimal=9.90", 'a: Decimal = Decimal("9.90")'),
        (
            "a:uuid=6F1C2B54-0C55-4BE4-9D0F-6F5B8D1F3A10",
            'a: UUID = UUID("6f1c2b54-0c55-4be4-9d0f-6f5b8d1f3a10")',
        ),
        ("a:date=2026-01-31", 'a: date = date.fromisoformat("2026-01-31")'),
        (
            "a:datetime=2026-01-31T12:00:00+00:00",
            'a: AwareDatetime = datetime.fromisoformat("2026-01-31T12:00:00+00:00")',
        ),
        ("a:json={}", "a: JsonValue = {}"),
        ("a:json=null", "a: JsonValue = None"),
        ("a:list[int]=[]", "a: tuple[int, ...] = ()"),
    ],
)
def test_a_field_becomes_a_line(typed: str, line: str) -> None:
    assert field(typed).line == line


def test_a_line_brings_the_imports_that_it_needs() -> None:
    """Those of the default too."""
    assert field("a:list[uuid]").imports == (("uuid", "UUID"),)
    assert field("a:datetime=2026-01-31T12:00:00+00:00").imports == (
        ("pydantic", "AwareDatetime"),
        ("datetime", "datetime"),
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("total", "write name:type"),
        ("total:", "write name:type"),
        (":int", "'' is no name for a field"),
        ("Total:int", "lower-case letters"),
        ("_total:int", "lower-case letters"),
        ("class:int", "a word of Python"),
        ("copy:int", "every pydantic model has"),
        ("model_total:int", "every pydantic model has"),
        ("total:money", f"is no type: use one of {', '.join(TYPES)};"),
        ("total:list[]", "is no type"),
        ("total:list[money]", "'money' in 'total:list[money]' is no type"),
        ("total:int??", "is no type"),
        ("total:int=x", "'x' in 'total:int=x' is no default of type int"),
        ("total:int=", "is no default"),
        ("total:bool=1", "is no default"),
        ("total:float=nan", "is no default"),
        ("total:decimal=x", "is no default"),
        ("total:decimal=NaN", "is no default"),
        ("total:uuid=x", "is no default"),
        ("total:datetime=2026-01-31T12:00:00", "is no default"),
        ("total:json=[1]", "is no default"),
        ("total:list[int]=1", "is no default"),
    ],
)
def test_what_is_no_field_is_refused_with_the_reason(typed: str, said: str) -> None:
    with pytest.raises(WrongNameError, match=re.escape(said)):
        field(typed)


def test_fields_have_names_of_their_own() -> None:
    """Two of one name would be one; a field called as its type would hide it."""
    with pytest.raises(WrongNameError, match="'a' is given twice"):
        fields(["a:int", "a:str"])
    with pytest.raises(WrongNameError, match="'date' can't be a field's name here"):
        fields(["date:date"])
