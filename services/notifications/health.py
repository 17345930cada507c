"""Whether this process is consuming, for whoever supervises it and has no HTTP to ask.

Receives the running service, hands the age of a file to `python -m services.notifications.health`.
The file is touched while every consumer is registered with the broker; a process that hangs, is cut
off or is gone lets it grow old.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Not at run time, and no settings either: a check every few seconds should cost little.
    from toolkit import Service

_VARIABLE = "NOTIFICATIONS_HEALTH_FILE"
_EVERY = 1.0  # seconds
_OLD = 10.0


@asynccontextmanager
async def reporting_health(service: "Service", file: Path | None) -> AsyncIterator[None]:
    """Keep the file young while the service is well; without a file, nobody asks."""
    if file is None:
        yield
        return
    async with asyncio.TaskGroup() as background:
        reporting = background.create_task(_report(service, file))
        yield
        reporting.cancel()


async def _report(service: "Service", file: Path) -> None:
    while True:
        _report_once(service, file)
        await asyncio.sleep(_EVERY)


def _report_once(service: "Service", file: Path) -> None:
    if service.is_running and not service.missing:
        file.touch()


def is_healthy(file: Path) -> bool:
    """Whether the service was well a moment ago."""
    try:
        return time.time() - file.stat().st_mtime < _OLD
    except FileNotFoundError:
        return False


def main() -> int:
    """0 if it is well, 1 if not: what Docker expects of a health check."""
    if _VARIABLE not in os.environ:
        sys.stderr.write(f"Set {_VARIABLE}, for the service and for this check.\n")
        return 1
    return 0 if is_healthy(Path(os.environ[_VARIABLE])) else 1


if __name__ == "__main__":
    sys.exit(main())
