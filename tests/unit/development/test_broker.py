"""Which broker a session takes, and how others find it."""

import json
import os
from pathlib import Path

import pytest

from toolkit import ConfigurationError
from toolkit.development.broker import IN_MEMORY, Place, noted, place_for
from toolkit.operations.address import DEV_FILE


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOOLKIT_AMQP_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def place(asked: str | None) -> Place:
    with place_for(asked, lambda _: None) as found:
        return found


@pytest.mark.parametrize("asked", ["memory", "memory://", "memory://shop"])
def test_a_broker_in_memory_is_to_be_made(asked: str) -> None:
    """By the session itself."""
    assert place(asked) is IN_MEMORY


def test_an_address_is_taken_as_it_is() -> None:
    """All nodes of a cluster; the description has no password."""
    url = "amqp://ada:hunter2@one/,amqp://ada:hunter2@two/"
    found = place(url)
    assert found.amqp_url == url
    assert "hunter2" not in found.description


def test_the_environment_is_asked_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And is named as the source."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://elsewhere/")
    found = place(None)
    assert found.amqp_url == "amqp://elsewhere/"
    assert "TOOLKIT_AMQP_URL" in found.description


def test_dot_env_counts_too(tmp_path: Path) -> None:
    """As it does for the services."""
    (tmp_path / ".env").write_text("TOOLKIT_AMQP_URL=memory://\n")
    assert place(None) is IN_MEMORY


def test_what_is_asked_for_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the environment."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://elsewhere/")
    assert place("memory") is IN_MEMORY


@pytest.mark.parametrize("asked", ["rabbit", "http://ada:hunter2@localhost/", ""])
def test_what_is_no_broker_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what can be chosen, and without a password."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", asked or "rabbit")
    with pytest.raises(ConfigurationError) as caught:
        place(asked or None)
    assert "hunter2" not in str(caught.value)
    assert "amqp" in str(caught.value)


def test_others_find_it_while_the_session_lasts(tmp_path: Path) -> None:
    """Only this user's others; version control doesn't see it."""
    with noted(tmp_path, "amqp://here/", None, lambda _: None):
        note = tmp_path / DEV_FILE
        assert json.loads(note.read_text()) == {
            "pid": os.getpid(),
            "amqp_url": "amqp://here/",
            "management_url": None,
        }
        assert note.stat().st_mode & 0o077 == 0
        assert (note.parent / ".gitignore").read_text() == "*\n"
    assert not note.exists()


def test_a_note_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    """It says what others have to do instead."""
    (tmp_path / ".toolkit").write_text("in the way")
    said: list[str] = []
    with noted(tmp_path, "amqp://here/", None, said.append):
        assert "--broker" in said[0]
    assert (tmp_path / ".toolkit").read_text() == "in the way"
