"""Deliveries to a bounded set of workers.

Receives deliveries from a transport, hands each to the pipeline in one of N workers. N means N:
handlers that outlive a lost connection keep their slot.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from toolkit.transport.clock import WALL, Clock
from toolkit.transport.port import Delivery

Receive = Callable[[Delivery], Awaitable[None]]
Survive = Callable[[Delivery], None]
"""Told of deliveries that come to nothing here: given back, or their channel gone."""

_PAUSE = timedelta(seconds=5)
"""Until a message that the engine could not even dead-letter goes back."""

_IN_ONE_TURN = 256
"""Messages that are begun before the event loop gets a turn: handlers that wait for nothing, of
messages that come as fast as they are acked, would keep it for ever."""

log = structlog.get_logger("toolkit.pump")


class Pump:
    """The workers of one consumer."""

    def __init__(
        self,
        name: str,
        receive: Receive,
        *,
        concurrency: int,
        survive: Survive = lambda _: None,
        clock: Clock = WALL,
    ) -> None:
        self._name = name
        self._receive = receive
        self._survive = survive
        self._concurrency = concurrency
        self._clock = clock
        self._waiting: deque[tuple[int, Delivery]] = deque()
        self._came: dict[int, int] = {}  # worker at work, to the tick at which its message came
        self._tick = 0
        self._idle: list[asyncio.Future[None]] = []
        self._waking = 0
        self._left = _IN_ONE_TURN
        self._is_open = True
        self._is_draining = False
        self._quiet: asyncio.Event | None = None  # while somebody waits for it
        self._is_stopping = False
        self._workers: dict[int, asyncio.Task[None]] = {}

    @property
    def running(self) -> int:
        """How many messages are being handled now."""
        return len(self._came)

    @property
    def busy(self) -> int:
        """How many are being handled, or will be as soon as their worker gets its turn."""
        if not self._is_open:
            return self.running
        ready = sum(delivery.is_live for _, delivery in self._waiting)
        return min(self.running + ready, self._concurrency)

    def tick(self) -> int:
        """For a steady beat: how many beats ago the oldest message came that isn't settled yet."""
        self._tick += 1
        came = min(self._came.values(), default=self._tick)
        if self._waiting:
            came = min(came, self._waiting[0][0])
        return self._tick - came

    def start(self) -> None:
        """Starts the workers."""
        self._is_stopping = False
        self._idle.clear()
        self._waking, self._left = 0, _IN_ONE_TURN
        for number in range(self._concurrency):
            self._start_worker(number)

    def _start_worker(self, number: int) -> None:
        worker = asyncio.create_task(self._work(number), name=f"{self._name} {number}")
        self._workers[number] = worker

    def deliver(self, delivery: Delivery) -> None:
        """Takes a delivery. One that comes while draining stays unsettled: it goes back, once,
        when its channel is closed, and not round and round until then.
        """
        if self._is_draining:
            return
        self._waiting.append((self._tick, delivery))
        if self._idle and not self._waking:
            self._wake(1)

    def pause(self) -> None:
        """Begins nothing further; what runs goes on."""
        self._is_open = False

    def resume(self) -> None:
        """Begins again."""
        self._is_open = True
        self._wake(1)

    async def quiet(self) -> None:
        """Returns once nothing is running; pause first."""
        if self._came:
            self._quiet = self._quiet or asyncio.Event()
            await self._quiet.wait()

    def return_waiting(self) -> int:
        """Gives back what has not begun, and takes nothing further. How many there were."""
        self._is_draining = True
        count = len(self._waiting)
        while self._waiting:
            _, delivery = self._waiting.popleft()
            delivery.give_back()
            self._survive(delivery)
        return count

    def take_again(self) -> None:
        """Takes deliveries after `return_waiting`; call it before any further one can come."""
        self._is_draining = False

    async def stop(self) -> None:
        """Cancels what still runs; the pipeline gives its message back."""
        self.return_waiting()
        self._is_stopping = True
        workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def _wake(self, most: int) -> None:
        """Lets idle workers look for a message. One that was woken wakes two others, if there is
        more to do: all are up soon where handlers wait for something, and nearly none in vain
        where they don't and one worker sees to everything by itself.
        """
        while most and self._idle and self._may_begin():
            called = self._idle.pop()
            if not called.done():  # its worker may have been cancelled
                called.set_result(None)
                self._waking += 1
                most -= 1

    def _may_begin(self) -> bool:
        return bool(self._waiting and self._left and self._is_open)

    async def _called(self) -> None:
        """Returns once there may be something to do for an idle worker."""
        called = asyncio.get_running_loop().create_future()
        self._idle.append(called)
        try:
            await called
        finally:
            if called.done() and not called.cancelled():
                self._waking -= 1
        if len(self._waiting) > 1:
            self._wake(2)

    def _next_turn(self) -> None:
        self._left = _IN_ONE_TURN
        self._wake(1)

    async def _work(self, number: int) -> None:
        """One message after the other, without a pause while there are any."""
        task = asyncio.current_task()
        assert task is not None
        while not task.cancelling():
            if not self._may_begin():
                await self._called()
                continue
            self._left -= 1
            if not self._left:
                asyncio.get_running_loop().call_soon(self._next_turn)
            came, delivery = self._waiting.popleft()
            if delivery.is_live:
                self._came[number] = came
                await self._handle(delivery, number)
            else:
                self._survive(delivery)  # its channel is gone: the broker delivers it again
            del delivery  # an idle worker must not hold the last message, nor its connection
            if not self._left:
                await asyncio.sleep(0)  # on in the next turn, and not only once it is called
        # A handler that cancels its own task takes its worker along; the slot goes on.
        if not self._is_stopping:
            self._start_worker(number)

    async def _handle(self, delivery: Delivery, number: int) -> None:
        try:
            try:
                await self._receive(delivery)
            except Exception:
                # Not the handler's failure, which is an outcome, but a fault of the engine.
                log.exception("the engine failed; the message goes back", pump=self._name)
                if not delivery.is_settled:
                    await self._clock.sleep(_PAUSE)
                    delivery.reject()
        except asyncio.CancelledError:
            if self._is_stopping:
                raise
        finally:
            del self._came[number]
            if not self._came and self._quiet is not None:
                self._quiet.set()
                self._quiet = None
