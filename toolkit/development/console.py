"""One terminal for all of them.

Receives lines with the name of who said them, hands them to the terminal, each behind its name.
"""

import os
import sys
from collections.abc import Sequence
from typing import TextIO

_COLOURS = (36, 35, 33, 32, 34, 96, 95, 93)  # ANSI, of the text
_GREY = 90
_OURS = "toolkit"


class Console:
    """Writes whole lines only. Coloured on a terminal, unless NO_COLOR asks otherwise."""

    def __init__(self, names: Sequence[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._width = max(map(len, (*names, _OURS)))
        self._colours = {_OURS: _GREY}
        self.is_coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        """Something that a service said."""
        behind = f"{name:<{self._width}} │"
        if self.is_coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            behind = f"\x1b[{colour}m{behind}\x1b[0m"
        self._stream.write(f"{behind} {text}\n")
        self._stream.flush()

    def say(self, sentence: str) -> None:
        """Something that we say."""
        self.line(_OURS, sentence)
