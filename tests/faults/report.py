"""What the long form leaves behind: a page with tables, and a picture.

Receives sieges with their verdicts, and the figures of the promises; hands back Markdown and PNG.
"""

from collections import Counter
from collections.abc import Sequence
from math import isinf
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tests.faults.audit import Verdict
from tests.faults.fault import HEARTBEAT
from tests.faults.promise import Ending, InFlight, Outage
from tests.faults.siege import Siege

_HEAD = """\
# Faults

Made by `make faults LONG=1`, not by hand; seed {seed}. Publishers and consumers run as processes,
behind a TCP proxy, against brokers of the bench's own, while faults are injected at random. Ledgers
on disk say what was confirmed and what was handled; an auditor compares them with each other and
with what lies in the queues at the end.

- **lost**: confirmed, and neither handled, nor dead-lettered, nor still in a queue.
- **handled twice**: by this fault, which took the ack of a run or the confirm of a publish. That is
  what at-least-once means; one that no fault explains would be a defect, and is counted below.
- **longest gap**: seconds in which nothing at all was handled, the outage itself included.
- **flowing after**: seconds, at the worst, from the moment when the world was whole again (the
  broker took connections, the link carried bytes) until a message was confirmed and handled.

![Rates over time](faults.png)
"""


def page(
    sieges: Sequence[Siege], verdicts: Sequence[Verdict], promises: Sequence[str], seed: int
) -> str:
    """All of it, as Markdown."""
    parts = [_HEAD.format(seed=seed), _faults(verdicts), _sums(sieges, verdicts)]
    return "\n".join([*parts, _promises(sieges, promises)])


def _faults(verdicts: Sequence[Verdict]) -> str:
    rows = [
        [
            line.name,
            verdict.version,
            f"{line.times}",
            f"{line.confirmed:,}",
            f"{line.lost}",
            f"{line.twice}",
            f"{line.gap:.2f} s",
            "not in time" if isinf(line.flowing) else f"{line.flowing:.2f} s",
        ]
        for verdict in verdicts
        for line in verdict.lines.values()
    ]
    head = ["fault", "RabbitMQ", "times", "confirmed", "lost", "handled twice", "longest gap"]
    return _table([*head, "flowing after"], sorted(rows))


def _sums(sieges: Sequence[Siege], verdicts: Sequence[Verdict]) -> str:
    rows = [
        [
            verdict.version,
            f"{siege.ended - siege.began:.0f} s",
            f"{verdict.blows}",
            f"{verdict.confirmed:,}",
            f"{verdict.refused:,}",
            f"{verdict.unknown:,}",
            f"{verdict.handled:,}",
            f"{verdict.dead:,}",
            f"{verdict.deleted:,}",
            f"{len(verdict.lost)}",
            f"{verdict.twice:,}",
            f"{len(verdict.unexplained)}",
        ]
        for siege, verdict in zip(sieges, verdicts, strict=True)
    ]
    head = ["RabbitMQ", "time", "faults", "confirmed", "refused", "unknown", "handled"]
    head += ["dead-lettered", "deleted with their queue", "lost", "handled twice", "unexplained"]
    total = sum(verdict.confirmed for verdict in verdicts)
    blows = sum(verdict.blows for verdict in verdicts)
    lost = sum(len(verdict.lost) for verdict in verdicts)
    return (
        f"\n## In all\n\n{total:,} messages confirmed, {blows} faults, {lost} messages lost. "
        "One in five hundred fails for good and is dead-lettered, one in fifty fails once and "
        f"comes back after a second.\n\n{_table(head, rows)}"
    )


def _promises(sieges: Sequence[Siege], promises: Sequence[str]) -> str:
    lines = [_frozen(sieges), _asked(sieges), *map(_channels, sieges), *promises]
    bullets = "".join(f"- {line}\n" for line in lines)
    poison = "- A message that kills its process: `tests/hostile/test_poison.py`.\n"
    return f"\n## Case by case\n\n{bullets}{poison}"


def _frozen(sieges: Sequence[Siege]) -> str:
    noticed = [seconds for siege in sieges for seconds in siege.noticed]
    return (
        f"A frozen link, with a heartbeat of {HEARTBEAT:g} s, was given up after "
        f"{max(noticed, default=0):.2f} s at the latest ({len(noticed)} times)."
    )


def _asked(sieges: Sequence[Siege]) -> str:
    exits = [(code, seconds) for siege in sieges for _, code, seconds in siege.exits]
    return (
        f"Of {len(exits)} consumers asked to end under load, {sum(code == 0 for code, _ in exits)} "
        f"exited with 0, the slowest after {max((s for _, s in exits), default=0):.2f} s."
    )


def _channels(siege: Siege) -> str:
    before, after = siege.channels
    return (
        f"RabbitMQ {siege.version}: {before} channels were open before the first fault, {after} "
        "after the last."
    )


def of_ending(version: str, figures: Ending) -> str:
    """One sentence."""
    return (
        f"RabbitMQ {version}: SIGTERM with {figures.running} handlers running. "
        f"{figures.finished} finished, {figures.again} were delivered again; what waited was free "
        f"for others after {figures.free_after:.2f} s, and another process handled "
        f"{figures.by_the_other:,}; exit {figures.exit_code} after {figures.seconds:.1f} s, with "
        "handlers of 4 s."
    )


def of_flight(version: str, timeout: float, figures: InFlight) -> str:
    """One sentence."""
    return (
        f"RabbitMQ {version}: killed with {figures.outstanding:,} publishes in flight, timeout "
        f"{timeout:g} s: {figures.confirmed:,} confirmed, {figures.refused:,} refused, "
        f"{figures.unknown:,} unknown; {figures.lost} of the confirmed lost."
    )


def of_outage(version: str, timeout: float, figures: Outage) -> str:
    """One sentence."""
    return (
        f"RabbitMQ {version}: {figures.begun} publishes during an outage of 20 s, timeout "
        f"{timeout:g} s: {figures.confirmed} confirmed, {figures.unknown} raised; the longest took "
        f"{figures.longest:.2f} s."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def draw(sieges: Sequence[Siege], path: Path) -> None:
    """Rates over time, one strip for each siege, with the faults marked."""
    figure = Figure(figsize=(16, 4.2 * len(sieges)), layout="constrained")
    strips = figure.subplots(len(sieges), 1, squeeze=False)
    names = list(dict.fromkeys(b.fault.name for siege in sieges for b in siege.blows))
    colours = {name: colormaps["tab20"](number % 20) for number, name in enumerate(names)}
    for siege, strip in zip(sieges, strips[:, 0], strict=True):
        seconds = range(int(siege.ended - siege.began) + 2)
        for label, times, colour in (
            ("confirmed/s", list(siege.facts.confirmed.values()), "black"),
            ("handled/s", [handling.at for handling in siege.facts.handlings], "tab:green"),
        ):
            rates = Counter(int(at - siege.began) for at in times)
            strip.plot(seconds, [rates[n] for n in seconds], label=label, color=colour, lw=1.0)
        for blow in siege.blows:
            start = blow.began - siege.began
            end = max((blow.flowing or blow.whole) - siege.began, start + 0.3)
            strip.axvspan(start, end, color=colours[blow.fault.name], alpha=0.6, lw=0)
        strip.set_title(f"RabbitMQ {siege.version}", loc="left")
        strip.set_xlim(0, len(seconds))
        strip.set_ylim(bottom=0)
        strip.set_xlabel("seconds")
        strip.set_ylabel("messages a second")
        strip.legend(loc="upper right")
    patches = [Patch(color=colours[name], alpha=0.6, label=name) for name in names]
    figure.legend(handles=patches, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=80)
