"""Python and what is installed in it.

Receives which extras are used, hands findings.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from toolkit.operations.doctor.finding import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

CHECK = "machine"
DISTRIBUTION = "rabbit-toolkit"

_OLDEST, _NEWEST = (3, 11), (3, 13)


def python(found: tuple[int, int] = sys.version_info[:2]) -> list[Finding]:
    """Whether it is a version that the toolkit is made for."""
    said = f"{_dotted(found)}"
    supported = f"{_dotted(_OLDEST)} to {_dotted(_NEWEST)}"
    if found < _OLDEST:
        fix = f"install Python {_dotted(_NEWEST)}, and make the environment anew"
        return [
            _finding("Python", "wrong", f"{said} is too old: the toolkit needs {supported}", fix)
        ]
    if found > _NEWEST:
        sentence = f"{said} is newer than what the toolkit was tested on, which is {supported}"
        return [_finding("Python", "note", sentence)]
    return [_finding("Python", "ok", said)]


def packages(extras: Iterable[str], distribution: str = DISTRIBUTION) -> list[Finding]:
    """Whether everything that is required is installed, within its bounds."""
    try:
        declared = requires(distribution) or []
        installed = version(distribution)
    except PackageNotFoundError:
        sentence = "not compared: the toolkit runs from its source and isn't installed"
        return [_finding("packages", "unknown", sentence, f"pip install {distribution}")]
    try:
        needed = list(_needed(declared, extras))
    except ImportError:
        sentence = "not compared: that takes the distribution 'packaging'"
        return [_finding("packages", "unknown", sentence, "pip install packaging")]
    wrong = [finding for one in needed for finding in _compared(one)]
    ok = f"{distribution} {installed} and the {len(needed)} that it requires are installed"
    return wrong or [_finding("packages", "ok", ok)]


def _needed(declared: Iterable[str], extras: Iterable[str]) -> "Iterator[Requirement]":
    from packaging.requirements import Requirement  # noqa: PLC0415 - it may not be installed

    environments = [{"extra": extra} for extra in ("", *extras)]
    for text in declared:
        one = Requirement(text)
        if one.marker is None or any(map(one.marker.evaluate, environments)):
            yield one


def _compared(required: "Requirement") -> Iterator[Finding]:
    fix = f"pip install '{required}'".split(";", maxsplit=1)[0].rstrip("' ") + "'"
    try:
        found = version(required.name)
    except PackageNotFoundError:
        sentence = f"isn't installed; {required.specifier} is needed"
        yield _finding(required.name, "wrong", sentence, fix)
        return
    if not required.specifier.contains(found, prereleases=True):
        sentence = f"{found} is installed; {required.specifier} is needed"
        yield _finding(required.name, "wrong", sentence, fix)


def _finding(subject: str, status: str, sentence: str, fix: str | None = None) -> Finding:
    return Finding(CHECK, subject, status, sentence, fix)  # type: ignore[arg-type]


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
