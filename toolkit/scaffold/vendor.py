"""The installed toolkit as a wheel, for projects on machines that can't get it from an index.

Receives the files of the installation, hands the bytes of a wheel: the same for the same files.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import toolkit
from toolkit.errors import ConfigurationError

DISTRIBUTION = "rabbit-toolkit"
FOLDER = Path("vendor")

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows
_PLAIN_FILE = 0o644 << 16
_WHEEL = """\
Wheel-Version: 1.0
Generator: rabbit-toolkit
Root-Is-Purelib: true
Tag: py3-none-any
"""
_COPIED = ("METADATA", "entry_points.txt")


@dataclass(frozen=True, slots=True)
class Installation:
    """The toolkit that runs this."""

    version: str
    wheel: bytes | None
    """None if it came from an index, where others can get it too."""

    @property
    def path(self) -> Path:
        """Where a project keeps the wheel."""
        return FOLDER / f"{DISTRIBUTION.replace('-', '_')}-{self.version}-py3-none-any.whl"


def installation(found: Distribution | None = None) -> Installation:
    """What is installed, by default what runs this; PEP 610 tells how it came here.

    Raises ConfigurationError if it is not installed.
    """
    found = found or _this()
    came_from_an_index = found.read_text("direct_url.json") is None
    return Installation(found.version, None if came_from_an_index else _wheel(found))


def _this() -> Distribution:
    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise ConfigurationError(
            f"{DISTRIBUTION} runs here without being installed",
            ["install it, in a clone with: pip install --editable ."],
        ) from error


def _wheel(found: Distribution) -> bytes:
    info = f"{DISTRIBUTION.replace('-', '_')}-{found.version}.dist-info"
    files = {**dict(_package()), **dict(_information(found, info))}
    record = f"{info}/RECORD"
    lines = [f"{name},{_digest(content)},{len(content)}" for name, content in sorted(files.items())]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items(), key=lambda item: (item[0] == record, item[0])):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _PLAIN_FILE
            entry.create_system = 3  # Unix, wherever it is made
            archive.writestr(entry, content)
    return written.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    folder = Path(toolkit.__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder.parent).as_posix(), path.read_bytes()


def _information(found: Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    yield f"{info}/WHEEL", _WHEEL.encode()
    for name in _COPIED:
        text = found.read_text(name)
        if text is not None:
            yield f"{info}/{name}", text.encode()
    for path in found.files or ():
        if ".dist-info" in path.parts[0] and path.parts[1] == "licenses":
            yield f"{info}/{'/'.join(path.parts[1:])}", path.read_binary()


def _digest(content: bytes) -> str:
    """As RECORD wants it: https://peps.python.org/pep-0427/#the-dist-info-directory."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
