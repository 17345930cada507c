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
        self._came: dict[int, int] = {}  # worker to the tick at which its message came
        self._tick = 0
        self._arrived = asyncio.Semaphore(0)
        self._open = asyncio.Event()
        self._open.set()
        self._is_draining = False
        self._running = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._is_stopping = False
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._spoilt: set[int] = set()

    @property
    def running(self) -> int:
        """How many messages are being handled now."""
        return self._running

    @property
    def busy(self) -> int:
        """How many are being handled, or will be as soon as their worker gets its turn."""
        if not self._open.is_set():
            return self._running
        ready = sum(delivery.is_live for _, delivery in self._waiting)
        return min(self._running + ready, self._concurrency)

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
        for number in range(self._concurrency):
            self._start_worker(number)

    def _start_worker(self, number: int) -> None:
        worker = asyncio.create_task(self._work(number), name=f"{self._name} {number}")
        self._workers[number] = worker
        worker.add_done_callback(lambda _: self._replace(number))

    def _replace(self, number: int) -> None:
        """A handler that cancels its own task takes its worker along; the slot goes on."""
        if number in self._spoilt and not self._is_stopping:
            self._spoilt.discard(number)
            self._start_worker(number)

    def deliver(self, delivery: Delivery) -> None:
        """Takes a delivery. One that comes while draining stays unsettled: it goes back, once,
        when its channel is closed, and not round and round until then.
        """
        if self._is_draining:
            return
        self._waiting.append((self._tick, delivery))
        self._arrived.release()

    def pause(self) -> None:
        """Begins nothing further; what runs goes on."""
        self._open.clear()

    def resume(self) -> None:
        """Begins again."""
        self._open.set()

    async def quiet(self) -> None:
        """Returns once nothing is running; pause first."""
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

    async def _work(self, number: int) -> None:
        while number not in self._spoilt:
            await self._arrived.acquire()
            if not self._open.is_set():
                await self._open.wait()
            if not self._waiting:
                continue  # given back meanwhile
            came, delivery = self._waiting.popleft()
            if delivery.is_live:
                self._came[number] = came
                await self._handle(delivery, number)
            else:
                self._survive(delivery)  # its channel is gone: the broker delivers it again
            del delivery  # an idle worker must not hold the last message, nor its connection

    async def _handle(self, delivery: Delivery, number: int) -> None:
        self._running += 1
        self._quiet.clear()
        try:
            await self._receive(delivery)
        except asyncio.CancelledError:
            if self._is_stopping:
                raise
        except Exception:
            # Not the handler's failure, which is an outcome, but a fault of the engine.
            log.exception("the engine failed; the message goes back", pump=self._name)
            if not delivery.is_settled:
                await self._clock.sleep(_PAUSE)
                delivery.reject()
        finally:
            self._running -= 1
            del self._came[number]
            if not self._running:
                self._quiet.set()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._spoilt.add(number)
