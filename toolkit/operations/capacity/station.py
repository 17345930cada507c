"""Handlers beside one queue: how long messages wait there.

Receives a load and how many handlers there are, hands times in seconds.

M/M/c, Poisson arrivals and exponential handling times, is exact (Kleinrock, Queueing Systems I,
1975, 3.5). Anything else, G/G/c, is its mean wait times (Ca² + Cs²)/2, the correction of Allen and
Cunneen (A. O. Allen, Probability, Statistics and Queueing Theory, 2nd ed., 1990), where Ca
and Cs are the coefficients of variation, deviation by mean, of the times between arrivals and of
handling. W. Whitt, Approximations for the GI/G/m queue, Production and Operations Management 2(2),
1993, has its limits: good where handlers are busy (above some 0.7) and neither Ca nor Cs is far
above 1; too long for light loads with Ca below 1; wrong for arrivals that depend on one another,
such as batches. All of it is for a load that stays as it is.
"""

from dataclasses import dataclass
from functools import cached_property
from math import inf, log

from toolkit.operations.capacity.erlang import waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Messages per second, seconds that one handler has one for, and how much either varies."""

    arrivals: float
    service: float
    cv_arrivals: float = 1.0
    cv_service: float = 1.0

    @property
    def offered(self) -> float:
        """How many handlers it keeps busy, in erlangs."""
        return self.arrivals * self.service

    @property
    def variability(self) -> float:
        """What Allen and Cunneen multiply a wait with."""
        return (self.cv_arrivals**2 + self.cv_service**2) / 2


@dataclass(frozen=True)
class Station:
    """So many consumers, each with `concurrency` handlers, and what comes to them.

    It takes any free handler to be there for any message. A consumer that prefetches more than it
    handles holds messages back from others that are free; those wait longer than this says.
    """

    load: Load
    consumers: int
    concurrency: int = 1

    @property
    def handlers(self) -> int:
        """Of all consumers."""
        return self.consumers * self.concurrency

    @property
    def utilisation(self) -> float:
        """How much of the handlers' time is taken; 1 and above is too much."""
        return self.load.offered / self.handlers if self.handlers else inf

    @property
    def is_stable(self) -> bool:
        """Whether a backlog ends."""
        return self.utilisation < 1

    @property
    def most(self) -> float:
        """Messages per second that all handlers together get done."""
        return self.handlers / self.load.service

    @cached_property
    def chance_of_waiting(self) -> float:
        """Erlang C."""
        return waiting(self.handlers, self.load.offered) if self.handlers else 1.0

    @property
    def mean_wait(self) -> float:
        """From arriving until a handler begins; infinite where the load is too much."""
        if not self.is_stable:
            return inf
        return self.chance_of_waiting * self._decay

    @property
    def mean_latency(self) -> float:
        """From arriving until it is done."""
        return self.mean_wait + self.load.service

    def wait(self, percent: float) -> float:
        """What so many percent of the messages don't wait longer than.

        In M/M/c exactly: P(W > t) = C exp(-(c - a) t / S). In G/G/c with the same chance of
        waiting, and a tail that has the corrected mean.
        """
        if not self.is_stable:
            return inf
        late = 1 - percent / 100
        if self.chance_of_waiting <= late:
            return 0.0
        return self._decay * log(self.chance_of_waiting / late)

    @property
    def _decay(self) -> float:
        """Mean wait of those that wait."""
        load = self.load
        return load.variability * load.service / (self.handlers - load.offered)
