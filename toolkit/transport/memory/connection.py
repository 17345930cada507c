"""A service's connection to the broker: lost when a test says so, and mended by itself.

Receives cuts from the broker, hands the news to whoever waits and to the subscribers.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from toolkit.transport.condition import ConnectionCondition, ConnectionState
from toolkit.transport.memory.broker import MemoryBroker


class Connection:
    """Up or down. `lose` and `mend` are what else has to happen then."""

    def __init__(
        self,
        broker: MemoryBroker,
        service: str,
        *,
        lose: Callable[[], int],
        mend: Callable[[], None],
    ) -> None:
        self.service = service
        self.condition = ConnectionCondition(
            purpose="publish and consume", since=broker.clock.now()
        )
        self.next_due: datetime | None = None
        self._broker = broker
        self._lose = lose
        self._mend = mend
        self._cuts = 0
        self._soon = 0
        self._waiting: set[asyncio.Future[bool]] = set()

    @property
    def is_up(self) -> bool:
        """Whether it is."""
        return self.condition.is_connected

    @property
    def waiting(self) -> int:
        """How many wait for it to come up."""
        return len(self._waiting)

    @property
    def is_mending(self) -> bool:
        """See `broker.Client`."""
        return self._soon > 0

    def open(self) -> None:
        """Connects. Idempotent."""
        if self not in self._broker.clients:
            self._broker.clients.append(self)
        self._come_up()

    def close(self) -> None:
        """Disconnects for good; what is held goes back. Idempotent."""
        self._become(ConnectionState.CLOSING)
        self._lose()
        if self in self._broker.clients:
            self._broker.clients.remove(self)

    def cut(self, down_for: timedelta | None = None) -> int:
        """See `broker.Client`."""
        self._become(ConnectionState.DISCONNECTED, "the connection was cut")
        self._cuts += 1
        held = self._lose()
        cut = self._cuts
        if down_for is None:
            self.soon(lambda: self._return(cut))
        else:
            self.next_due = self._broker.clock.now() + down_for
            self._broker.clock.call_later(down_for, lambda: self._return(cut))
        return held

    def soon(self, call: Callable[[], None]) -> None:
        """Calls on the next turn of the event loop; until then the connection is mending."""
        self._soon += 1
        asyncio.get_running_loop().call_soon(self._now, call)

    async def up_before(self, deadline: datetime | None) -> bool:
        """Returns once it is up, or False at the deadline."""
        if self.is_up:
            return True
        clock = self._broker.clock
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        timer = None
        if deadline is not None:
            timer = clock.call_later(deadline - clock.now(), lambda: _answer(waiter, is_up=False))
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)
            if timer is not None:
                timer.cancel()

    def _now(self, call: Callable[[], None]) -> None:
        self._soon -= 1
        call()

    def _return(self, cut: int) -> None:
        """After the last cut only, and not after `close`."""
        if cut != self._cuts or self not in self._broker.clients:
            return
        self.next_due = None
        self._come_up()
        self._mend()

    def _become(self, state: ConnectionState, reason: str | None = None) -> None:
        now = self._broker.clock.now()
        self.condition = self.condition.become(state, at=now, reason=reason)

    def _come_up(self) -> None:
        self._become(ConnectionState.CONNECTED)
        for waiter in self._waiting:
            _answer(waiter, is_up=True)


def _answer(waiter: "asyncio.Future[bool]", *, is_up: bool) -> None:
    if not waiter.done():
        waiter.set_result(is_up)
