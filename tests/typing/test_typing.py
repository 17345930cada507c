"""The public API is typed: what users should write passes mypy --strict, their slips don't.

mypy runs once, on files outside of this repository and without a plugin, as it would for a user.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("typing")  # mypy runs once, so all of this in one worker

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
CACHE = REPOSITORY / ".mypy_cache" / "users"  # the second run takes a tenth of the time
_EXPECTED = re.compile(r"\s*# type: ignore\[(?P<codes>[a-z, -]+)\]")
_REPORTED = re.compile(
    r"^(?P<file>[\w.]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$", re.MULTILINE
)

Errors = set[tuple[int, str]]
"""Lines, and the codes of the errors in them."""


def expected(source: str) -> Errors:
    return {
        (number, code.strip())
        for number, line in enumerate(source.splitlines(), start=1)
        for found in _EXPECTED.finditer(line)
        for code in found["codes"].split(",")
    }


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Errors]:
    """What mypy says of each file, its comments taken away."""
    directory = tmp_path_factory.mktemp("typing")
    names = ["accepted.py", "refused.py"]
    for name in names:
        source = (HERE / name).read_text()
        (directory / name).write_text(_EXPECTED.sub("", source))
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-pretty"),
            *("--config-file=", f"--cache-dir={CACHE}", *names),
        ],
        cwd=directory,
        env={"MYPYPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not checked.stderr
    errors: dict[str, Errors] = {name: set() for name in names}
    for found in _REPORTED.finditer(checked.stdout):
        errors.setdefault(found["file"], set()).add((int(found["line"]), found["code"]))
    assert set(errors) == set(names), checked.stdout
    return errors


def test_what_users_should_write_is_accepted(reported: dict[str, Errors]) -> None:
    """Every part of the public face, with every option, and the types that come back."""
    assert reported["accepted.py"] == set()


def test_what_users_should_not_write_is_refused(reported: dict[str, Errors]) -> None:
    """Each slip in its line with its error, and nothing else."""
    wanted = expected((HERE / "refused.py").read_text())
    assert reported["refused.py"] == wanted
    assert len(wanted) > 40
