"""One run: every case with every contestant, some rounds, in alternating order.

Receives cases, contestants and a stage, hands a `Results` to the report.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.case import Case
from benchmarks.contestant import Contestant, ContestantFailedError
from benchmarks.stage import NotFilledError, Stage
from benchmarks.task import WINDOW, Answer


@dataclass
class Results:
    """What came out, in the order in which cases and contestants first ran."""

    answers: dict[tuple[Case, str], list[Answer]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def cases(self, wanted: Callable[[Case], bool]) -> list[Case]:
        """Those cases that ran."""
        return [case for case in dict.fromkeys(case for case, _ in self.answers) if wanted(case)]

    def contestants(self) -> list[str]:
        """Those that answered at all."""
        return list(dict.fromkeys(name for _, name in self.answers))

    def of(self, case: Case, contestant: str) -> list[Answer]:
        """One for each round that went well."""
        return self.answers.get((case, contestant), [])

    def rates(self, case: Case, contestant: str) -> list[float]:
        """Messages per second, one for each round that went well."""
        return [answer.rate for answer in self.of(case, contestant)]


def run(
    stage: Stage,
    cases: Sequence[Case],
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    say: Callable[[str], None],
) -> Results:
    """All of it; what fails is noted, and the rest goes on."""
    results = Results()
    pairs = [(case, one) for case in cases for one in contestants if one.takes(case)]
    for turn in range(rounds):
        for case in cases:
            mine = [one for paired, one in pairs if paired is case]
            for contestant in mine[:: 1 if turn % 2 == 0 else -1]:
                title = f"{turn + 1}/{rounds}  {case.name:42}{contestant.name:22}"
                try:
                    answer = measure(stage, case, contestant)
                except (ContestantFailedError, NotFilledError) as failure:
                    results.failures.append(f"{case.name}, {contestant.name}: {failure}")
                    say(f"{title}failed: {failure}")
                    continue
                results.answers.setdefault((case, contestant.name), []).append(answer)
                say(f"{title}{answer.rate:10,.0f}/s")
    return results


def measure(stage: Stage, case: Case, contestant: Contestant) -> Answer:
    """One contestant, once.

    Of several processes each takes its share and returns the rest, so there is something to spare
    for the slower one. Raises `ContestantFailedError` or `NotFilledError`.
    """
    if contestant.is_in_memory:
        return contestant.run([case.task("memory://")])
    url = stage.url(case)
    spare = 0 if case.workers == 1 else WINDOW * case.workers
    filled = replace(case.task(url), count=case.count + spare)
    stage.prepare(filled)
    answer = contestant.run([case.task(url, share=case.workers)] * case.workers)
    # A quorum queue may forget the last acks of a channel that is closed right after them.
    if case.action == "consume" and (left := stage.left(filled)) > spare + WINDOW * case.queues:
        raise ContestantFailedError(f"left {left - spare:,} messages unacknowledged")
    return answer
