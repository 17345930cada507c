"""Erlang's formulas for c handlers that share one queue.

Receives how many handlers there are and how much is offered to them, hands probabilities.
"""


def blocking(handlers: int, offered: float) -> float:
    """Erlang B: how likely all are busy where nobody may wait.

    By the recursion 1/B(n) = 1 + n/(a·B(n-1)), which neither overflows nor loses digits for
    thousands of handlers (Kleinrock, Queueing Systems I, 1975, 3.7; Jagerman, Bell System Technical
    Journal 53(3), 1974). `offered` is in erlangs: arrivals per second times seconds of handling.
    """
    inverse = 1.0
    for n in range(1, handlers + 1):
        inverse = 1.0 + inverse * n / offered
    return 1.0 / inverse


def waiting(handlers: int, offered: float) -> float:
    """Erlang C: how likely a message has to wait; 1 where more is offered than can be handled.

    Kleinrock, Queueing Systems I, 1975, 3.5 (M/M/m): C = B / (1 - rho (1 - B)).
    """
    if offered >= handlers:
        return 1.0
    share = offered / handlers
    blocked = blocking(handlers, offered)
    return blocked / (1.0 - share * (1.0 - blocked))
