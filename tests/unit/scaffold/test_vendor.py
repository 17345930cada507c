"""The toolkit as a wheel: whole, the same each time, and only where it is needed."""

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution
from io import BytesIO
from pathlib import Path

import pytest

from toolkit.scaffold.vendor import DISTRIBUTION, installation

METADATA = "Metadata-Version: 2.4\nName: rabbit-toolkit\nVersion: 9.8.7\n"


def installed(tmp_path: Path, *, directly: bool) -> Distribution:
    """As pip leaves it behind."""
    info = tmp_path / "rabbit_toolkit-9.8.7.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[console_scripts]\ntoolkit = toolkit.cli:main\n")
    (info / "licenses" / "LICENSE").write_text("MIT")
    (info / "RECORD").write_text(f"{info.name}/licenses/LICENSE,,\n{info.name}/METADATA,,\n")
    if directly:
        (info / "direct_url.json").write_text('{"url": "file:///home/ada/toolkit", "dir_info": {}}')
    return Distribution.at(info)


def test_one_from_an_index_needs_no_wheel(tmp_path: Path) -> None:
    """Others can get it there too."""
    found = installation(installed(tmp_path, directly=False))
    assert (found.version, found.wheel) == ("9.8.7", None)


def test_any_other_is_packed_into_a_wheel_that_pip_installs(tmp_path: Path) -> None:
    """Without an index, and with nothing of this machine in it."""
    found = installation(installed(tmp_path, directly=True))
    assert found.wheel is not None
    wheel = tmp_path / found.path.name
    wheel.write_bytes(found.wheel)
    site = tmp_path / "site"

    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, f"--target={site}", wheel], check=True)

    assert (site / "toolkit" / "scaffold" / "templates" / "service" / "README.md.j2").is_file()
    assert (site / "toolkit" / "py.typed").is_file()
    info = site / "rabbit_toolkit-9.8.7.dist-info"
    assert (info / "METADATA").read_text() == METADATA
    assert (info / "licenses" / "LICENSE").read_text() == "MIT"
    with zipfile.ZipFile(BytesIO(found.wheel)) as archive:
        assert not any(b"/home/ada" in archive.read(name) for name in archive.namelist())
        assert not any("__pycache__" in name for name in archive.namelist())


def test_the_same_files_make_the_same_wheel(tmp_path: Path) -> None:
    """Whenever: a project that is made twice is the same twice."""
    found = installed(tmp_path, directly=True)
    wheel = installation(found).wheel
    assert wheel == installation(found).wheel
    assert wheel is not None
    with zipfile.ZipFile(BytesIO(wheel)) as archive:
        moments = {entry.date_time for entry in archive.infolist()}
    assert moments == {(1980, 1, 1, 0, 0, 0)}


def test_without_an_argument_it_is_the_one_that_runs_this() -> None:
    assert installation().path.name.startswith(DISTRIBUTION.replace("-", "_"))


@pytest.mark.parametrize("directly", [True, False])
def test_a_wheel_is_named_as_pip_wants_it(tmp_path: Path, directly: bool) -> None:  # noqa: FBT001
    found = installation(installed(tmp_path, directly=directly))
    assert str(found.path) == "vendor/rabbit_toolkit-9.8.7-py3-none-any.whl"
