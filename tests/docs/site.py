"""The site that `make docs` builds, and whom its pages ask for anything.

Receives the folder of a built site, hands the tests addresses that lead to another host.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ON_DEMAND = ("mermaid", "pyodide", "glightbox", "data-md-component=source")
"""What makes the theme's own script load more from another host, where a page has it."""

_FOREIGN = re.compile(r"(?:https?:)?//")
_IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]*)""")


class _Wanted(HTMLParser):
    """The addresses that a browser asks for by itself: of everything but links to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            is_link = tag == "a" and name == "href"
            if name in ("src", "href", "srcset", "data", "poster", "action") and not is_link:
                self.found.append(value or "")
            if name == "style":
                self.found += _IN_CSS.findall(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.found += _IN_CSS.findall(data)
        if self._inside == "script":
            self.found += re.findall(r"""["'](https?://[^"']+)""", data)


def asked_elsewhere(site: Path) -> Iterator[str]:
    """Addresses on other hosts that a browser would ask, each with the file that has it."""
    for page in site.rglob("*.html"):
        text = page.read_text()
        wanted = _Wanted()
        wanted.feed(text)
        foreign = [address for address in wanted.found if _FOREIGN.match(address)]
        foreign += [sign for sign in ON_DEMAND if re.search(rf'class="[^"]*\b{sign}\b', text)]
        yield from (f"{page.relative_to(site)}: {address}" for address in foreign)
    for sheet in site.rglob("*.css"):
        for address in _IN_CSS.findall(sheet.read_text()):
            yield f"{sheet.relative_to(site)}: {address}"
