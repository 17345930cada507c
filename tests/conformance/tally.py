"""The last line of a run: how many cases of the conformance suite each broker has passed.

Receives the reports of all cases, each with the broker that its fixture has noted.
"""

from collections import Counter

import pytest

BROKER = "conformance"
"""The property under which a case's report says which broker it ran on."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts them by broker and outcome."""
    counts: Counter[tuple[str, str]] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            name = dict(report.user_properties).get(BROKER)
            if name is not None and (report.when == "call" or outcome != "passed"):
                counts[name, outcome] += 1
    names = sorted({name for name, _ in counts}, key=str.lower)
    if names:
        told = ", ".join(f"{name} {_told(name, counts)}" for name in names)
        terminalreporter.write_line(f"conformance: {told}")


def _told(name: str, counts: Counter[tuple[str, str]]) -> str:
    return " ".join(
        f"{count} {outcome}" for (broker, outcome), count in counts.items() if broker == name
    )
