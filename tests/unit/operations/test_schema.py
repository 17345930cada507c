"""Contracts as files for other repositories."""

import json
from pathlib import Path

import pytest

from tests.unit.operations.market import Deliver, Sold, SoldHere, cart, stall
from toolkit.messages.contract import contract_of
from toolkit.operations.file import CannotReadError, CannotWriteError
from toolkit.operations.schema import fingerprint, outdated_schemas, rendered, write_schemas


def test_the_owner_of_an_event_publishes_its_schema(tmp_path: Path) -> None:
    """The command that it sends belongs to who handles it."""
    (path,) = write_schemas([stall()], tmp_path / "new" / "schemas")
    assert path == tmp_path / "new" / "schemas" / "stall.sold.v2.json"
    assert path.read_text() == rendered(contract_of(Sold))


def test_the_owner_of_a_command_is_who_handles_it(tmp_path: Path) -> None:
    """The event that it listens to belongs to who publishes it."""
    assert [path.name for path in write_schemas([cart()], tmp_path)] == ["cart.deliver.v1.json"]


def test_a_schema_is_json_with_the_contract_s_identity() -> None:
    """And its words are unchanged."""
    schema = json.loads(rendered(contract_of(Sold)))
    assert schema["$id"] == "stall.sold.v2"
    assert schema["required"] == ["number"]
    assert schema["description"] == Sold.__doc__


def test_a_fingerprint_changes_with_the_schema() -> None:
    """And with nothing else."""
    assert fingerprint(contract_of(Sold)) == fingerprint(contract_of(Sold))
    assert len({fingerprint(contract_of(one)) for one in (Sold, SoldHere, Deliver)}) == 3


def test_what_has_just_been_written_is_up_to_date(tmp_path: Path) -> None:
    """Files of older versions may lie beside it."""
    write_schemas([stall(), cart()], tmp_path)
    (tmp_path / "stall.sold.v1.json").write_text("{}")
    assert outdated_schemas([stall(), cart()], tmp_path) == []


def test_each_file_that_differs_or_is_missing_is_named(tmp_path: Path) -> None:
    """All at once, and none is written."""
    (tmp_path / "stall.sold.v2.json").write_bytes(b"\xff")
    assert outdated_schemas([stall(), cart()], tmp_path) == [
        f"{tmp_path}/stall.sold.v2.json is not what the code says",
        f"{tmp_path}/cart.deliver.v1.json is missing",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["stall.sold.v2.json"]


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """Something else has its name."""
    (tmp_path / "schemas").write_text("")
    with pytest.raises(CannotWriteError, match="schemas can't be written"):
        write_schemas([stall()], tmp_path / "schemas")


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """It is a folder."""
    (tmp_path / "stall.sold.v2.json").mkdir()
    with pytest.raises(CannotReadError, match=r"stall\.sold\.v2\.json can't be read"):
        outdated_schemas([stall()], tmp_path)
