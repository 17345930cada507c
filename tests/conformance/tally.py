"""The last line of a run: how many cases of the conformance suite each broker has passed.

Receives the reports of all cases, with the broker that each ran on and the random scenarios that it
made up; hands all processes of the run one seed for these.
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

BROKER = "conformance broker"
"""The property under which a case's report says which broker it ran on."""
SCENARIOS = "conformance scenarios"
"""How many random scenarios it went through."""

Record = Callable[[str, object], None]
"""What pytest's `record_property` is."""


def pytest_configure() -> None:
    """Chooses a seed, unless it is given; workers inherit it."""
    os.environ.setdefault("TOOLKIT_SEED", str(random.SystemRandom().randrange(2**32)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts cases by broker and outcome."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(getattr(report, "user_properties", ()))
            if BROKER in properties and (report.when == "call" or outcome != "passed"):
                count = counts[str(properties[BROKER])]
                count[outcome] += 1
                count["random scenarios"] += properties.get(SCENARIOS, 0)
    if counts:
        told = [
            f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in (+its).items())
            for name, its in sorted(counts.items(), key=lambda item: item[0].lower())
        ]
        told.append(f"TOOLKIT_SEED={os.environ['TOOLKIT_SEED']}")
        terminalreporter.write_line("conformance: " + "; ".join(told))
