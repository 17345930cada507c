"""Handlers beside one queue, message by message, to hold formulas against.

Receives a load and a number of handlers, hands back how long each message waited.
"""

import heapq
from collections.abc import Iterable, Iterator
from random import Random

from toolkit.operations.capacity.station import Load


def waits(arrivals: Iterable[float], services: Iterable[float], handlers: int) -> Iterator[float]:
    """First come, first served: each message takes the handler that is free first."""
    free = [0.0] * handlers
    for arrival, service in zip(arrivals, services, strict=False):
        begin = max(arrival, free[0])
        heapq.heapreplace(free, begin + service)
        yield begin - arrival


def moments(gaps: Iterable[float]) -> Iterator[float]:
    """When something happens, from the times between."""
    now = 0.0
    for gap in gaps:
        now += gap
        yield now


def times(mean: float, cv: float, random: Random) -> Iterator[float]:
    """Gamma-distributed for ever; exponential at 1, all the same at 0."""
    if not cv:
        while True:
            yield mean
    shape = 1 / cv**2
    while True:
        yield random.gammavariate(shape, mean / shape)


def simulated(load: Load, handlers: int, *, count: int, seed: int) -> list[float]:
    """So many messages' waits in seconds, without the first tenth, which found all free."""
    random = Random(seed)
    arrivals = moments(times(1 / load.arrivals, load.cv_arrivals, random))
    services = times(load.service, load.cv_service, Random(seed + 1))
    stream = waits(arrivals, services, handlers)
    return [next(stream) for _ in range(count)][count // 10 :]
