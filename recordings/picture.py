"""A screen as an SVG that needs nothing from anywhere else.

Receives commands with what they showed, hands the text of a picture.
"""

import io
import re
from collections.abc import Sequence

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from recordings.terminal import COLUMNS, Running

_FONTS = "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
# Rich would have each reader fetch a font from a stranger's server.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
_FORMAT = _FORMAT.replace("Fira Code, monospace", _FONTS)
_THEME = TerminalTheme(
    (24, 26, 31),
    (220, 223, 228),
    [
        (40, 44, 52),
        (224, 108, 117),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (220, 223, 228),
    ],
    [
        (127, 132, 142),
        (240, 138, 146),
        (178, 214, 152),
        (239, 210, 152),
        (135, 195, 248),
        (215, 155, 233),
        (120, 205, 215),
        (255, 255, 255),
    ],
)
_NOT_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")


def drawn(screens: Sequence[Running], *, name: str, title: str) -> str:
    """One picture of several commands, one after the other."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    for number, screen in enumerate(screens):
        if number:
            console.print()
        console.print(Text.assemble(("$ ", "bold green"), (screen.command, "bold")))
        if text := _NOT_COLOURS.sub("", screen.text):
            console.print(Text.from_ansi(text))
    return console.export_svg(title=title, theme=_THEME, code_format=_FORMAT, unique_id=name)
