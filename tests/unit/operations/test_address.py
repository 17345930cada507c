"""Which broker a command talks to, and who said so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit import BrokerUnreachableError, SettingsError
from toolkit.operations.address import PATIENCE, Address, ElsewhereError, broker_address
from toolkit.project import Project

DEV = "amqp://guest:guest@localhost:5679/"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty one to be in, with nothing in the environment."""
    for name in list(os.environ):
        if name.upper().startswith("TOOLKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.toolkit]\n")
    return Project.find()


def write_dev(project: Project, text: str) -> None:
    """What `toolkit dev` leaves while it runs."""
    (project.root / ".toolkit").mkdir()
    (project.root / ".toolkit" / "dev.json").write_text(text)


def said_by_dev(pid: int) -> str:
    """A process that has its broker at `DEV`."""
    return json.dumps({"pid": pid, "amqp_url": DEV, "management_url": None})


def test_what_is_asked_for_comes_first_then_the_environment_then_dev_then_the_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named, for whoever wonders."""
    assert broker_address(project, None).source == "the default"
    (project.root / ".env").write_text("TOOLKIT_AMQP_URL=amqp://file/\n")
    assert broker_address(project, None) == Address("amqp://file/", "TOOLKIT_AMQP_URL in .env")
    write_dev(project, said_by_dev(os.getpid()))
    assert broker_address(project, None) == Address(DEV, "toolkit dev")
    assert broker_address(None, None).url == "amqp://file/"
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "amqp://environment/")
    assert broker_address(project, None) == Address("amqp://environment/", "TOOLKIT_AMQP_URL")
    assert broker_address(project, "amqp://asked/") == Address("amqp://asked/", "--broker")


def test_what_a_dead_dev_has_left_is_not_believed(project: Project) -> None:
    """It may have been killed, and somebody else may be at its port by now."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    write_dev(project, said_by_dev(process.pid))
    assert broker_address(project, None).source == "the default"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "{}", '{"pid": "x", "amqp_url": "y"}', said_by_dev(0)]
)
def test_what_makes_no_sense_counts_as_no_dev(project: Project, text: str) -> None:
    """A file that is being written, or another program's."""
    write_dev(project, text)
    assert broker_address(project, None).source == "the default"


@pytest.mark.parametrize("url", ["memory://", " memory://shop", "MEMORY://"])
def test_a_broker_in_memory_can_not_be_reached_from_here(url: str) -> None:
    """It is said who named it, and what has an address."""
    with pytest.raises(ElsewhereError, match="--broker names a broker in memory"):
        Address(url, "--broker").settings()


def test_a_person_waits_less_than_a_service_unless_told_otherwise(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sets the time gets it."""
    assert Address(DEV, "x").settings().connect_timeout == PATIENCE
    monkeypatch.setenv("TOOLKIT_CONNECT_TIMEOUT", "7m")
    assert Address(DEV, "x").settings().connect_timeout.total_seconds() == 7 * 60


def test_a_password_is_in_no_text_about_an_address(project: Project) -> None:
    """Neither in that of a good one nor in that of a bad one."""
    assert "hunter2" not in repr(Address("amqp://ada:hunter2@host/", "--broker"))
    with pytest.raises(SettingsError) as caught:
        Address("http://ada:hunter2@host/", "--broker").settings()
    assert "hunter2" not in str(caught.value)


def test_an_error_about_an_address_says_whose_it_is() -> None:
    """For there are four places where it may be wrong."""
    with (
        pytest.raises(BrokerUnreachableError, match=r"no broker \(the address is from toolkit dev"),
        Address(DEV, "toolkit dev").blamed(),
    ):
        raise BrokerUnreachableError("no broker")
