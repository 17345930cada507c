"""Where histories come from: the management API, which has kept them, or our own counting.

Receives an address and which queues are wanted, hands readings. Nothing on the broker is touched:
no message is taken, not even to learn its age.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote

from toolkit.errors import ToolkitError
from toolkit.operations.address import Address
from toolkit.operations.management import ManagementApi, NoManagementError, default_address
from toolkit.operations.rates.flow import Flow, flow_of
from toolkit.operations.rates.history import History, Sample, history_of
from toolkit.operations.rates.wanted import Wanted
from toolkit.policies.duration import parse_duration
from toolkit.service.settings import Settings
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.inspector import Inspector

MeasuredBy = Literal["management", "amqp"]

SHORTEST, LONGEST = 15.0, 3600.0
"""Seconds for a window: three of the broker's own samples, and what it keeps."""
_FINE, _KEPT_FINE, _COARSE = 5, 600, 60  # seconds; management's sample_retention_policies
_GLANCE = 10.0  # seconds of our own counting, where somebody waits for one answer
_COLUMNS = (
    "name,type,consumers,messages,messages_ready,messages_unacknowledged,messages_details,"
    "messages_unacknowledged_details,message_stats,head_message_timestamp,arguments"
)


def window_of(text: str) -> float:
    """Seconds to measure over. Raises ValueError with a sentence."""
    seconds = parse_duration(text).total_seconds()
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"{text!r} is not between {SHORTEST:g}s and {LONGEST / 60:g}m")
    return seconds


class NothingToAskForError(ToolkitError):
    """AMQP has no list of queues, and no names were given."""

    exit_code = 69  # sysexits.h: EX_UNAVAILABLE

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}. Without it the queues must be known by name: give --queue NAME, or go to a "
            "project with services"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one look came to. `note` says what is missing in it, why, and how to get it."""

    at: float
    histories: tuple[History, ...]
    measured_by: MeasuredBy
    note: str | None = None


class Source(Protocol):
    """A broker, as it can be looked at."""

    patience: float
    """Seconds between two readings for the second one to show rates; 0: the first one does."""

    async def read(self) -> Reading:
        """One look. Queues that aren't there are left out.

        Raises NoManagementError or TransportError where nothing can be seen any more.
        """


class ManagementSource:
    """The broker's own counters: it samples them every five seconds, whether we look or not."""

    patience = 0.0

    def __init__(self, api: ManagementApi, wanted: Wanted, *, window: float) -> None:
        self._api, self._wanted = api, wanted
        step = _FINE if window <= _KEPT_FINE else _COARSE
        age = round(window / step) * step
        self._path = (
            f"/api/queues/{quote(api.virtual_host, safe='')}?columns={_COLUMNS}"
            f"&lengths_age={age}&lengths_incr={step}&msg_rates_age={age}&msg_rates_incr={step}"
        )

    async def read(self) -> Reading:
        """See `Source`."""
        said = await asyncio.to_thread(self._api.get, self._path)
        histories = tuple(history_of(one) for one in said if self._wanted.takes(one["name"]))
        told = [one for one in histories if one.ready is not None]  # a new queue isn't, for a while
        note = _NO_RATES if told and all(one.published is None for one in told) else None
        return Reading(at=time.time(), histories=histories, measured_by="management", note=note)


_NO_RATES = (
    "the broker keeps no rates: management.rates_mode is none, or "
    "management_agent.disable_metrics_collector is true"
)


class AmqpSource:
    """What passive declarations tell: ready messages and consumers. Their rise is ours to count."""

    def __init__(
        self,
        inspector: Inspector,
        wanted: Wanted,
        *,
        window: float,
        reason: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inspector, self._wanted, self._clock = inspector, wanted, clock
        self._window = window
        self.patience = min(_GLANCE, window)
        self._seen: dict[str, deque[Sample]] = defaultdict(deque)
        self._note = f"only what AMQP tells, which is no rates and nothing unacked: {reason}"

    async def read(self) -> Reading:
        """See `Source`."""
        names = self._wanted.names
        states = await asyncio.gather(*map(self._inspector.queue, names))
        now = self._clock()
        histories = [
            History(
                queue=name,
                consumers=state.consumers,
                ready=state.messages,
                lengths=self._noted(name, Sample(now, state.messages)),
            )
            for name, state in zip(names, states, strict=True)
            if state is not None
        ]
        return Reading(
            at=time.time(), histories=tuple(histories), measured_by="amqp", note=self._note
        )

    def _noted(self, queue: str, sample: Sample) -> tuple[Sample, ...]:
        seen = self._seen[queue]
        seen.append(sample)
        while sample.at - seen[0].at > self._window:
            seen.popleft()
        return tuple(seen)


@asynccontextmanager
async def opened(
    address: Address, wanted: Wanted, *, management: str | None = None, window: float
) -> AsyncIterator[Source]:
    """The better source that answers. Queues that were named have to be there.

    Raises UnknownQueueError, NothingToAskForError, and what a broker refuses.
    """
    settings = address.settings()
    api = ManagementApi(
        management or address.management_url or default_address(settings.urls[0]),
        settings.urls[0],
        settings.tls,
    )
    source: Source = ManagementSource(api, wanted, window=window)
    try:
        first = await source.read()
    except NoManagementError as error:
        reason = str(error)
    else:
        wanted.require((one.queue for one in first.histories), api.virtual_host)
        yield source
        return
    async with Inspector.connected(_options(settings)) as inspector:
        if not wanted.names:
            raise NothingToAskForError(reason)
        source = AmqpSource(inspector, wanted, window=window, reason=reason)
        first = await source.read()
        wanted.require((one.queue for one in first.histories), inspector.virtual_host)
        yield source


def _options(settings: Settings) -> RabbitOptions:
    return RabbitOptions(
        urls=settings.urls, service="top", tls=settings.tls, heartbeat=settings.heartbeat
    )


def flows_of(
    reading: Reading, wanted: Wanted, *, within: float, before: Sequence[Flow] = ()
) -> tuple[Flow, ...]:
    """Of each queue; one that was there before and isn't any more is "gone"."""
    flows = [
        flow_of(
            history, now=reading.at, within=within, concurrency=wanted.concurrency(history.queue)
        )
        for history in reading.histories
    ]
    there = {flow.queue for flow in flows}
    gone = [
        Flow(queue=flow.queue, consumers=0, verdict="gone")
        for flow in before
        if flow.queue not in there
    ]
    return (*flows, *gone)
