"""Writes what commands say of themselves into the pages: `python -m tests.docs`.

Receives pages with a console that begins with `$ toolkit ... --help`, puts the answer below it.
"""

import re
import tempfile
from pathlib import Path

from tests.docs.console import Typed, run
from tests.docs.page import DOCS

_HELP = re.compile(r"(?<=```console\n)\$ (toolkit .*--help)\n(?:(?!```).*\n)*")


def _with_help(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return _HELP.sub(
            lambda found: f"$ {found[1]}\n{run(Typed(found[1], ''), Path(folder))}", text
        )


if __name__ == "__main__":
    for page in DOCS.rglob("*.md"):
        text = page.read_text()
        page.write_text(_with_help(text))
