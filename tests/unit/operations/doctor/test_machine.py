"""Python, packages, Docker and Compose: what is needed, and what is only nice to have."""

from importlib.metadata import version
from pathlib import Path

import pytest

from toolkit.operations.doctor import docker
from toolkit.operations.doctor.look import looked
from toolkit.operations.doctor.machine import packages, python


@pytest.mark.parametrize(
    ("found", "status"),
    [((3, 10), "wrong"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "note")],
)
def test_python_is_one_that_was_tested(found: tuple[int, int], status: str) -> None:
    """Older ones can't work, newer ones may."""
    (finding,) = python(found)
    assert finding.status == status


class Distributions:
    """Distributions in a folder that is on the path, as pip leaves them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, version: str, *requirements: str) -> None:
        lines = [f"Name: {name}", f"Version: {version}", "Metadata-Version: 2.1"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
        info = self._folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("\n".join(lines))


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distributions:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Distributions(tmp_path)


def test_what_is_required_and_missing_or_too_old_is_named(distributions: Distributions) -> None:
    """Each with the command that brings it."""
    distributions.add("a-shop", "1.0", "a-missing>=2", "an-old-one<3,>=2", "pytest>=1")
    distributions.add("an-old-one", "1.5")
    missing, old = packages([], "a-shop")
    assert (missing.subject, missing.status) == ("a-missing", "wrong")
    assert missing.fix == "pip install 'a-missing>=2'"
    assert old.sentence == "1.5 is installed; <3,>=2 is needed"


def test_an_extra_counts_only_where_it_is_used(distributions: Distributions) -> None:
    """So nobody is told to install what they don't need."""
    distributions.add("a-shop", "1.0", 'a-missing>=2; extra == "health"', 'b<1; python_version<"3"')
    (ok,) = packages([], "a-shop")
    assert ok.status == "ok"
    (missing,) = packages(["health"], "a-shop")
    assert missing.status == "wrong"
    assert missing.fix == "pip install 'a-missing>=2'"


def test_a_toolkit_that_is_not_installed_is_not_compared(tmp_path: Path) -> None:
    """It may run from its source."""
    (finding,) = packages([], "of-no-such-name")
    assert finding.status == "unknown"


def test_the_toolkit_of_this_environment_has_what_it_needs() -> None:
    """With its extras for health."""
    (finding,) = packages(["health"])
    assert finding.status == "ok"
    assert version("rabbit-toolkit") in finding.sentence


# ------------------------------------------------------------------------------ Docker


class Machine:
    """A machine on which `docker` is what a test wants it to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "compose.yaml"

    def install(self, script: str) -> None:
        docker = self.folder / "docker"
        docker.write_text(f"#!/bin/sh\n{script}\n")
        docker.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Machine(tmp_path)


async def test_without_a_compose_file_a_missing_docker_is_a_note(machine: Machine) -> None:
    """With one it is wrong: the project counts on it."""
    (note,) = await docker.engine(None)
    assert note.status == "note"
    (wrong,) = await docker.engine(machine.file)
    assert wrong.status == "wrong"
    assert "compose.yaml needs it" in wrong.sentence


async def test_an_engine_that_does_not_answer_is_quoted(machine: Machine) -> None:
    """Its last line says why."""
    machine.install("echo Cannot connect to the Docker daemon; exit 1")
    (wrong,) = await docker.engine(machine.file)
    assert "Cannot connect to the Docker daemon" in wrong.sentence
    assert "systemctl start docker" in str(wrong.fix)


async def test_a_compose_file_that_can_not_be_used_is_quoted(machine: Machine) -> None:
    """Compose itself reads it."""
    machine.install('[ "$2" = version ] && echo 2.26 && exit; echo "no such service: x"; exit 15')
    ok, wrong = await docker.compose(machine.file)
    assert (ok.status, ok.sentence) == ("ok", "2.26")
    assert (wrong.subject, wrong.status) == ("compose.yaml", "wrong")
    assert "no such service: x" in wrong.sentence


async def test_a_docker_that_hangs_is_killed(machine: Machine) -> None:
    """Nothing of it is left behind."""
    machine.install("exec /bin/sleep 600")
    (unknown,) = await looked("machine", "Docker", docker.engine(None), within=0.2)
    assert unknown.status == "unknown"


def test_the_compose_file_is_the_one_that_compose_would_take(tmp_path: Path) -> None:
    """Outside of a project there is none."""
    assert docker.compose_file(None) is None
    assert docker.compose_file(tmp_path) is None
    (tmp_path / "docker-compose.yml").write_text("")
    (tmp_path / "compose.yml").write_text("")
    assert docker.compose_file(tmp_path) == tmp_path / "compose.yml"
