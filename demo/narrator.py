"""Says what happens, and keeps the list of what was claimed and whether it came true.

Receives sentences and claims from the story, hands them to the terminal, or plainly to a pipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Claim:
    """Something the demonstration says the toolkit does."""

    sentence: str
    came_true: bool


class Narrator:
    """One voice for the whole story."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.claims: list[Claim] = []

    @property
    def all_came_true(self) -> bool:
        """Whether there is something to be proud of."""
        return bool(self.claims) and all(claim.came_true for claim in self.claims)

    def chapter(self, title: str) -> None:
        """Begin another part of the story."""
        self._console.print()
        self._console.rule(f"[bold]{escape(title)}", align="left")

    def say(self, sentence: str) -> None:
        """One thing that happened."""
        self._console.print(escape(sentence), highlight=False)

    def show(self, title: str, text: str) -> None:
        """Something to look at: a mail, say."""
        self._console.print(
            Panel(escape(text), title=escape(title), title_align="left", expand=False)
        )

    def show_record(self, title: str, record: Mapping[str, object]) -> None:
        """Names and values."""
        table = Table(title=title, title_justify="left", show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value in record.items():
            table.add_row(escape(name), escape(str(value)))
        self._console.print(table)

    def claim(self, sentence: str, *, came_true: bool) -> None:
        """Write down what was promised and whether it was kept; the story goes on either way."""
        self.claims.append(Claim(sentence, came_true))
        if not came_true:
            self._console.print(f"[bold red]This did not come true:[/] {escape(sentence)}")

    def sum_up(self) -> None:
        """The list of all claims."""
        self._console.print()
        table = Table(title="What was to be shown", title_justify="left")
        table.add_column("claim", overflow="fold")
        table.add_column("came true", no_wrap=True)
        for claim in self.claims:
            verdict = "[green]yes" if claim.came_true else "[bold red]no"
            table.add_row(escape(claim.sentence), verdict)
        self._console.print(table)
