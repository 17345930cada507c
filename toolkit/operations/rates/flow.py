"""From counters to rates, and from rates to how long a backlog lasts.

Receives the history of a queue, hands a frozen value to tables and to JSON.

The model is a fluid one (Kleinrock, Queueing Systems II, 1976, chapter 2): messages come in at P
and go out at C, both constant, so a backlog Q is gone after Q/(C-P). It knows no chance: near P = C
a queue comes and goes by itself, and only `toolkit capacity` says how long. The service time S is
Little's law (Operations Research 9(3), 1961) on the handlers: busy handlers = C·S.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt
from typing import Literal

from toolkit.operations.rates.history import History, Series

Verdict = Literal["idle", "keeping up", "draining", "never", "unknown", "gone"]
AgeBasis = Literal["timestamp", "counted", "estimated", "at least"]

_BOTH_ENDS = 10.0  # seconds: counters and levels are up to five apart, at either end of a window
_SLACK = 1e-9  # so that exactly enough is enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One queue. Rates in messages per second, times in seconds, None is unknown.

    `arrivals` (P) is what was published and, where `otherwise` is positive, what came without
    being published: the broker counts no message as published that comes back from a delay.
    `otherwise` is negative where messages left without an ack: expired, purged, rejected.
    `drains_in` is None unless the verdict is "draining". `more` consumers would drain the backlog
    within the time that was given; `service` and `more` take a consumer of unknown concurrency for
    one that handles a message at a time.
    """

    queue: str
    consumers: int
    concurrency: int | None = None
    ready: int | None = None
    unacked: int | None = None
    backlog: int | None = None
    arrivals: float | None = None
    completions: float | None = None
    otherwise: float | None = None
    growth: float | None = None
    throughput: float | None = None
    measured_over: float | None = None
    verdict: Verdict = "unknown"
    drains_in: float | None = None
    age: float | None = None
    age_basis: AgeBasis | None = None
    service: float | None = None
    more: int | None = None


def flow_of(history: History, *, now: float, within: float, concurrency: int | None = None) -> Flow:
    """Rates over the window of the history, and what drains it `within` so many seconds.

    `now` is compared with the timestamp of the oldest message. `concurrency` is how many messages
    one consumer handles at once, where that is known.
    """
    growth, span = _slope(history.lengths)
    consumers = min(history.consumers, 1) if history.is_single else history.consumers
    workers = consumers * (concurrency or 1)
    known = history.published is not None and history.done is not None
    arrivals, completions, otherwise, measured = None, None, None, span
    if known:
        published, measured = _slope(history.published or ())
        completions, _ = _slope(history.done or ())
        if published is not None and completions is not None and measured is not None:
            otherwise = _otherwise(published, completions, growth, measured)
            arrivals = published + max(otherwise, 0.0)
    waiting = _waiting(history, consumers * concurrency if concurrency else None)
    verdict, drains_in = _verdict(history, waiting, growth, (arrivals, completions, otherwise))
    service = _service(history, workers, completions)
    age, basis = _age(history, now, arrivals, otherwise)
    return Flow(
        queue=history.queue,
        consumers=history.consumers,
        concurrency=concurrency,
        ready=history.ready,
        unacked=history.unacked,
        backlog=history.backlog,
        arrivals=arrivals,
        completions=completions,
        otherwise=otherwise,
        growth=growth,
        throughput=None if arrivals is None or completions is None else min(arrivals, completions),
        measured_over=measured,
        verdict=verdict,
        drains_in=drains_in,
        age=age,
        age_basis=basis,
        service=service,
        more=_more(
            history, verdict, (arrivals, completions, service), within=within, workers=workers
        ),
    )


def _more(
    history: History,
    verdict: Verdict,
    measured: tuple[float | None, float | None, float | None],
    *,
    within: float,
    workers: int,
) -> int | None:
    """None where it can't be told, or where another consumer would only stand by."""
    arrivals, completions, service = measured
    if verdict in ("idle", "keeping up"):
        return 0
    if history.is_single or arrivals is None or service is None or history.backlog is None:
        return None
    if completions and _was_never_short(history):
        each = history.consumers / completions  # they did what they can, however many handlers
    else:
        each = service * history.consumers / workers
    return more_consumers(arrivals + history.backlog / within, each, have=history.consumers)


def _was_never_short(history: History) -> bool:
    """Whether messages were ready all the time, so that consumers had as much as they can take."""
    held = history.unacked_then or ()
    pairs = zip(history.lengths, held, strict=False)
    return bool(held) and all(one.value > unacked.value for one, unacked in pairs)


def more_consumers(rate: float, seconds_each: float, *, have: int) -> int:
    """How many, beside those there are, get so many messages a second done.

    `seconds_each` is what one consumer takes for a message, on average. That twice as many get
    twice as much done is an assumption: a database behind them may see it otherwise.
    """
    return max(0, ceil(rate * seconds_each - _SLACK) - have)


def _slope(series: Series) -> tuple[float | None, float | None]:
    """Its mean rise per second, and over how many seconds; None without two samples."""
    if len(series) < 2:
        return None, None
    first, last = series[0], series[-1]
    return (last.value - first.value) / (last.at - first.at), last.at - first.at


def _otherwise(published: float, done: float, growth: float | None, seconds: float) -> float:
    """What changed the length beside these two, where it is more than chance can be.

    Levels and counters aren't of the same moment; within the seconds between, a Poisson stream
    differs by the root of its number, and three times that is hardly ever seen.
    """
    if growth is None:
        return 0.0
    rest = growth - (published - done)
    chance = 3 * sqrt(_BOTH_ENDS * (published + done)) + 2
    return rest if abs(rest) * seconds > chance else 0.0


def _waiting(history: History, workers: int | None) -> tuple[float, ...]:
    """At each sample, how many messages nobody had begun to handle; the last is now.

    Handlers of unknown number are taken to have all that is unacked.
    """
    if history.backlog is None:
        return ()
    unacked = history.unacked_then or tuple(one._replace(value=0) for one in history.lengths)
    pairs = [(one.value, held.value) for one, held in zip(history.lengths, unacked, strict=False)]
    pairs.append((history.backlog, history.unacked or 0))
    return tuple(length - min(held, held if workers is None else workers) for length, held in pairs)


def _verdict(
    history: History,
    waiting: tuple[float, ...],
    growth: float | None,
    rates: tuple[float | None, float | None, float | None],
) -> tuple[Verdict, float | None]:
    """Whether the backlog ends, and in how many seconds.

    Where nothing waits, C is what came in and not what could be done, so C <= P means nothing: that
    is keeping up. So it is where the queue ran dry meanwhile, and grew no more than two Poisson
    streams differ by chance.
    """
    leaving, net = _net(growth, rates)
    if history.backlog is None:
        return "unknown", None
    is_still = not any(rates[:2]) and (leaving is not None or not history.consumers)
    if not history.backlog and is_still:
        return "idle", None
    is_dry = waiting[-1] <= 0 or (min(waiting) <= 0 and _is_chance(history.lengths, leaving))
    if is_dry and (history.consumers or not history.backlog):
        return "keeping up", None
    if net is None:
        return "unknown", None
    return ("draining", history.backlog / net) if net > 0 else ("never", None)


def _net(
    growth: float | None, rates: tuple[float | None, float | None, float | None]
) -> tuple[float | None, float | None]:
    """What leaves in a second, and how much more that is than what comes."""
    arrivals, completions, otherwise = rates
    if arrivals is None or completions is None or otherwise is None:
        return None, None if growth is None else -growth
    leaving = completions + max(-otherwise, 0.0)
    return leaving, leaving - arrivals


def _is_chance(lengths: Series, leaving: float | None) -> bool:
    """Whether the queue has grown no more than it does by itself."""
    if leaving is None or len(lengths) < 2:
        return False
    gone = leaving * (lengths[-1].at - lengths[0].at)
    rise = lengths[-1].value - lengths[0].value
    return rise <= 2 * sqrt(2 * gone + max(rise, 0))  # of what went, and what came


def _service(history: History, workers: int, completions: float | None) -> float | None:
    """Seconds that a handler has a message for: Little's law on the handlers.

    Of what is unacked, no more is handled than there are handlers; the rest waits in a prefetch.
    """
    if not completions or not history.unacked_then or not workers:
        return None
    busy = _mean([min(sample.value, workers) for sample in history.unacked_then])
    return busy / completions if busy else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _age(
    history: History, now: float, arrivals: float | None, otherwise: float | None
) -> tuple[float | None, AgeBasis | None]:
    """How long the oldest message has been there. It is never taken out to be looked at.

    Its timestamp, where the broker tells it (classic queues, senders that set one); else the time
    in which as many came in as are there now, which is right as long as they leave in order.
    """
    if not history.backlog:
        return None, None
    if history.head_at is not None:
        return max(0.0, now - history.head_at), "timestamp"
    if not history.published or arrivals is None:
        return None, None
    last = history.published[-1]
    if not otherwise:
        target = last.value - history.backlog
        pairs = pairwise(history.published)
        for before, after in reversed(list(pairs)):
            if before.value <= target < after.value:
                part = (target - before.value) / (after.value - before.value)
                return last.at - (before.at + part * (after.at - before.at)), "counted"
    if arrivals:
        return history.backlog / arrivals, "estimated"
    return last.at - history.published[0].at, "at least"
