"""A search for a broker that tries each way once, however often it is asked.

Receives the ways there are and which of them will do, hands the first broker that they lead to.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol, Self

from toolkit.testing.broker.found import Broker, BrokerNotFoundError, WayClosedError

Say = Callable[[str], None]
Way = Callable[[Say], AbstractContextManager[Broker]]


class Finds(Protocol):
    """Who can be asked for a broker."""

    def find(self, names: Sequence[str]) -> Broker:
        """Return the broker that the first of these ways leads to.

        Raises BrokerNotFoundError, which lists every attempt, if none of them does.
        """
        ...


class Search:
    """Keeps every broker that it has found until its context ends, then takes away its own.

    `say` gets a sentence for each way that fails, for whatever takes long, and for what was found.
    """

    def __init__(self, ways: Mapping[str, Way], say: Say) -> None:
        self._ways = ways
        self._say = say
        self._stack = ExitStack()
        self._answers: dict[str, Broker | str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take away all that had to be started."""
        self._stack.close()

    def find(self, names: Sequence[str]) -> Broker:
        """See `Finds`."""
        tried = []
        for name in names:
            if name not in self._answers:
                self._answers[name] = self._try(name)
            answer = self._answers[name]
            if isinstance(answer, Broker):
                return answer
            tried.append(answer)
        raise BrokerNotFoundError(tried)

    def _try(self, name: str) -> Broker | str:
        try:
            broker = self._stack.enter_context(self._ways[name](self._say))
        except WayClosedError as closed:
            self._say(f"{name}: {closed}")
            return f"{name}: {closed}"
        self._say(f"Broker: {broker.description}.")
        return broker
