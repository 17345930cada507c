"""A load as it is: what comes into a queue, and how long it is handled.

Receives the name of a queue and where its broker is, hands a load to the model.
"""

from collections.abc import Callable

from toolkit.errors import ToolkitError
from toolkit.operations.address import broker_address
from toolkit.operations.capacity.station import Load
from toolkit.operations.rates.flow import Flow
from toolkit.operations.rates.source import flows_of, opened
from toolkit.operations.rates.wanted import wanted_of
from toolkit.operations.rates.words import duration, rate
from toolkit.project import Project

_MOST_HANDLERS = 1e6


class NothingMeasuredError(ToolkitError):
    """A queue from which no load can be read."""

    exit_code = 65  # sysexits.h: EX_DATAERR


async def measured(
    queue: str,
    *,
    broker: str | None,
    management: str | None,
    window: float,
    say: Callable[[str], None],
) -> Flow:
    """What `toolkit top` shows of it, over so many seconds.

    Raises NothingMeasuredError, UnknownQueueError, and what a broker refuses.
    """
    wanted = wanted_of([], [queue], say)
    address = broker_address(Project.around(), broker)
    async with opened(address, wanted, management=management, window=window) as source:
        reading = await source.read()
    if reading.measured_by == "amqp":
        raise NothingMeasuredError(f"nothing can be measured on '{queue}': {reading.note}")
    flows = flows_of(reading, wanted, within=window)
    if not flows:
        raise NothingMeasuredError(f"'{queue}' has just been deleted")
    return flows[0]


def load_of(
    said: tuple[float | None, float | None],
    flow: Flow | None,
    *,
    cv_arrivals: float = 1.0,
    cv_service: float = 1.0,
) -> Load:
    """Arrivals per second and seconds of handling: what was said, else what was measured.

    Raises NothingMeasuredError, and ValueError for a load that can only be a mistake.
    """
    arrivals, service = said
    if flow is not None:
        arrivals, service = arrivals or flow.arrivals, service or flow.service
        span = f" in the last {duration(flow.measured_over)}" if flow.measured_over else ""
        if not arrivals:
            raise NothingMeasuredError(
                f"nothing came into '{flow.queue}'{span}; say what comes with --arrivals"
            )
        if not service:
            raise NothingMeasuredError(
                f"how long a message of '{flow.queue}' is handled can't be measured: no consumer "
                f"was seen with one{span}; say it with --service"
            )
    if arrivals is None or service is None:
        raise ValueError("give --arrivals and --service, or measure both: --from-queue")
    load = Load(arrivals=arrivals, service=service, cv_arrivals=cv_arrivals, cv_service=cv_service)
    if load.offered > _MOST_HANDLERS:
        raise ValueError(
            f"{rate(arrivals)} a second, {duration(service)} each, keep {load.offered:,.0f} "
            "handlers busy: is a unit wrong?"
        )
    return load
