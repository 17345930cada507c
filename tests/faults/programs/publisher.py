"""A service that publishes for as long as it lives, and writes down what became of each message.

Run by the bench as a process of its own, with `toolkit run`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from tests.faults.ledger import Ledger, own_ledger
from tests.faults.programs.contracts import Fate, Noted, Placed, Press
from toolkit import PublishError, PublishTimeoutError, Service, TransportError

_RATE = float(os.environ.get("RATE", "300"))  # messages a second
_MOST = int(os.environ.get("MOST", "1000000"))  # messages in all
_WINDOW = int(os.environ.get("WINDOW", "128"))  # that wait for their confirm at a time
_IS_PLAIN = "PLAIN" in os.environ  # one kind of message, and none that fails
_BATCH = 20
_BEHIND = 1.0  # seconds that are caught up with after an outage
_NOTE_EVERY = 10
_FAIL_EVERY, _FAIL_ONCE_EVERY = 500, 50

log = structlog.get_logger("publisher")


class Pace:
    """Hands out numbers, so many a second, until it is stopped."""

    def __init__(self) -> None:
        self._next_at = time.monotonic()
        self._count = 0
        self.is_over = False

    async def number(self) -> int | None:
        """The next one, at its time; None if there is none."""
        if self._count >= _MOST:
            return None
        self._count += 1
        number = self._count
        now = time.monotonic()
        self._next_at = max(self._next_at + 1 / _RATE, now - _BEHIND)
        await asyncio.sleep(max(0.0, self._next_at - now))
        return None if self.is_over else number


def _fate(number: int) -> Fate:
    if _IS_PLAIN:
        return "fine"
    if number % _FAIL_EVERY == 1:
        return "fails"
    return "fails once" if number % _FAIL_ONCE_EVERY == 2 else "fine"


class Publishing:
    """Single publishes, and batches beside them."""

    def __init__(self, service: Service, ledger: Ledger) -> None:
        self._press = Press(service)
        self._ledger = ledger
        self._pace = Pace()

    async def run(self) -> None:
        """Returns once stopped, and the fate of every message is written down."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WINDOW):
                group.create_task(self._one_by_one())
            group.create_task(self._in_batches())

    def stop(self) -> None:
        """Begin nothing further."""
        self._pace.is_over = True

    async def _one_by_one(self) -> None:
        while (number := await self._pace.number()) is not None:
            kind = "take" if _IS_PLAIN or number % _NOTE_EVERY else "note"
            name = f"{kind}-{self._ledger.name}-{number}"
            self._ledger.write("sending", name)
            try:
                if kind == "note":
                    await self._press.noted(Noted(number=name))
                else:
                    await self._press.placed(Placed(number=name, fate=_fate(number)))
            except (PublishError, TransportError) as error:
                self._ledger.write(_became(error), name)
            else:
                self._ledger.write("confirmed", name)

    async def _in_batches(self) -> None:
        while names := await self._names():
            for name in names:
                self._ledger.write("sending", name)
            report = await self._press.placed.many(Placed(number=name) for name in names)
            failed = {failure.position: failure.error for failure in report.failures}
            for position, name in enumerate(names):
                error = failed.get(position)
                self._ledger.write("confirmed" if error is None else _became(error), name)

    async def _names(self) -> list[str]:
        names = []
        for _ in range(_BATCH):
            number = await self._pace.number()
            if number is None:
                break
            names.append(f"take-{self._ledger.name}-{number}")
        return names


def _became(error: Exception) -> str:
    log.warning("not confirmed", error=f"{type(error).__name__}: {error}")
    is_unknown = isinstance(error, PublishTimeoutError | TransportError)
    return "unknown" if is_unknown else "refused"


@asynccontextmanager
async def _publishing(service: Service) -> AsyncIterator[None]:
    publishing = Publishing(service, own_ledger())
    running = asyncio.create_task(publishing.run())
    yield
    publishing.stop()
    await running


service = Service("press", producers=[Press], lifespan=_publishing)
