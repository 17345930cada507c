"""The files of `templates/`, filled in.

Receives names, hands the text of a file.
"""

import ast
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any

from toolkit.scaffold.errors import tool
from toolkit.scaffold.python import arranged
from toolkit.scaffold.style import Style

_FOLDER = Path(__file__).parent / "templates"


def filled(template: str, **names: Any) -> str:
    """A template's text. Raises MissingToolError without jinja2."""
    text: str = _environment().get_template(f"{template}.j2").render(names)
    return text


def code(template: str, style: Style, **names: Any) -> str:
    """A template of Python, laid out as the project does it, however long the names are."""
    text = arranged(filled(template, **names), style)
    return style.formatted(_with_docstring_in(text, style.width))


def _with_docstring_in(text: str, width: int) -> str:
    """The module's docstring in lines of this width."""
    docstring = ast.get_docstring(ast.parse(text), clean=False)
    if docstring is None or all(len(line) <= width for line in text.splitlines()):
        return text
    summary, *rest = docstring.rstrip().split("\n\n")
    # The quotes before the summary take three columns.
    paragraphs = [fill(f"---{summary}", width)[3:], *(fill(one, width) for one in rest)]
    end = "\n" if docstring.endswith("\n") else ""
    return text.replace(docstring, "\n\n".join(paragraphs) + end, 1)


@cache
def _environment() -> Any:
    jinja2 = tool("jinja2")
    # Nothing here is HTML; a name that is missing is an error, never a gap.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
