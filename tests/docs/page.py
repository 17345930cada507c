"""The pages of the documentation, as the code that is in them.

Receives Markdown from docs/ and README.md, hands the tests blocks to check and to run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

NEEDS = {
    "with Docker": "containers are nothing that a suite starts for a page",
    "with RabbitMQ": "needs a server; Python that says so has a test of its own",
    "with toolkit dev beside it": "tests/development does it, and watches",
    "with an index of packages": "what it installs is what the suite runs on",
}
"""Titles of blocks that need more than this repository, and so aren't run with their page."""

SHOWN = {"ini", "json", "text", "toml"}
"""Languages of blocks that only show something."""

SECTIONS_APART = {
    "See it work": "make targets, which CI runs as they are written",
    "The five-minute tour": "Docker Compose from beginning to end",
}
"""Sections of README.md whose commands aren't run here."""

_FENCE = re.compile(r'```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?')
_NAMED = re.compile(r"# (?P<name>[\w-]+\.\w+)\b.*\n")
_LOOKS_LIKE_A_FENCE = re.compile(r"\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is that of its fence; `language` is None if that can't be read."""

    line: int
    section: str
    language: str | None
    title: str
    code: str

    @property
    def file(self) -> str | None:
        """The file that a reader saves it to, if its first line says so."""
        named = _NAMED.match(self.code)
        return named["name"] if named and self.language in ("python", "ini") else None

    @property
    def is_program(self) -> bool:
        """Whether it runs by itself, apart from the other blocks of its page."""
        return "asyncio.run(" in self.code

    def problem(self) -> str | None:
        """Why nobody would know whether it is true, or None."""
        if self.section in SECTIONS_APART or self.language in SHOWN:
            return None
        if self.language not in ("python", "console", "sh"):
            return f"a block of the kind '{self.language}' is neither run nor known to be text"
        if self.title and self.title not in NEEDS:
            return f"'{self.title}' is no reason not to run it; known are {', '.join(NEEDS)}"
        if self.language == "sh" and not self.title:
            return "write a console, with '$ ' before each command and its answer below"
        if self.language == "console" and not self.code.startswith("$ "):
            return "a console begins with a command: '$ ...'"
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """One page and its blocks, in order."""

    path: Path
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def slug(self) -> str:
        """The same as the name of a Python module."""
        return re.sub(r"\W", "_", self.name.removesuffix(".md")).lower()

    @property
    def files(self) -> dict[str, str]:
        """The files of its project."""
        return {b.file: b.code for b in self._run("python", "ini") if b.file}

    @property
    def programs(self) -> list[str]:
        """Blocks that run by themselves, and all others together, which build on each other."""
        blocks = [b for b in self._run("python") if not b.file]
        chain = "\n".join(b.code for b in blocks if not b.is_program)
        return [b.code for b in blocks if b.is_program] + ([chain] if chain else [])

    @property
    def consoles(self) -> list[Block]:
        """What is typed and answered, in order."""
        return self._run("console")

    def _run(self, *languages: str) -> list[Block]:
        here = [b for b in self.blocks if b.section not in SECTIONS_APART]
        return [b for b in here if b.language in languages and not b.title]


def pages() -> list[Page]:
    """README.md and all of docs/."""
    return [read(path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))]


def read(path: Path) -> Page:
    """One page."""
    return Page(path, tuple(_blocks(path.read_text())))


def _blocks(text: str) -> Iterator[Block]:
    section = ""
    lines = iter(enumerate(text.splitlines(keepends=True), start=1))
    for number, line in lines:
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        if not _LOOKS_LIKE_A_FENCE.match(line):
            continue
        fence = _FENCE.fullmatch(line.rstrip("\n"))
        end = line.split("```", maxsplit=1)[0] + line.strip()[:3]
        code = []
        for _, inner in lines:
            if inner.rstrip() == end:
                break
            code.append(inner)
        language, title = (fence["language"], fence["title"] or "") if fence else (None, "")
        yield Block(number, section, language, title, "".join(code))
