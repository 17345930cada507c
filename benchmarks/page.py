"""Pages that people write, with a part that a program does.

Receives Markdown, puts it between the two comments that carry its name.
"""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def put(page: Path, name: str, text: str) -> None:
    """The comments stay. Raises ValueError where the page has none of this name."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} has no lines '{begin}' and '{end}'")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
