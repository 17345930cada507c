"""Who did what is written down before and after, or not done."""

import json
from pathlib import Path

import pytest

from toolkit.operations.audit import Audit, AuditError, audit_file, state_folder


def test_intent_and_result_are_two_lines_of_one_run(tmp_path: Path) -> None:
    """With a name and a time; the file is only added to, and nobody else's to read."""
    path = tmp_path / "deep" / "audit.jsonl"
    for act in ("replay", "discard"):
        Audit.begin(path, act, {"count": 2}).end({"moved": 2})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["act"] for line in lines] == ["replay", "replay", "discard", "discard"]
    assert lines[0]["run"] == lines[1]["run"] != lines[2]["run"]
    assert (lines[0]["intent"], lines[1]["result"]) == ({"count": 2}, {"moved": 2})
    assert "@" in lines[0]["who"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_log_that_can_not_be_written_stops_the_act(tmp_path: Path) -> None:
    """Before anything is done."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match=r"nothing was changed.*--audit or TOOLKIT_AUDIT"):
        Audit.begin(tmp_path / "file" / "audit.jsonl", "replay", {})


def test_where_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, else the environment's, else the user's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert audit_file(None, None) == tmp_path / "toolkit" / "audit.jsonl"
    assert state_folder(None) == tmp_path / "toolkit"
    monkeypatch.setenv("TOOLKIT_AUDIT", "/var/log/a")
    assert audit_file(None, None) == Path("/var/log/a")
    assert audit_file(None, Path("b")) == Path("b")
