"""A service that does what its messages say, and writes down how far it came.

Run by tests as a process of its own; the file to write to is named by `RECORD`.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Literal

from toolkit import Consumer, Context, Event, Producer, Publishes, Retry, Service

_RECORD = Path(os.environ["RECORD"])


class Job(Event, name="jobs.posted"):
    number: int
    deed: Literal["work", "exit", "kill"] = "work"
    seconds: float = 0


class JobDone(Event, name="jobs.done"):
    number: int


class Jobs(Producer):
    posted = Publishes(Job)


class Do(Consumer[Job]):
    retry = Retry(immediately=0, after=())
    concurrency = 2
    prefetch = 32

    async def handle(self, message: Job, context: Context) -> None:
        _write("begun", message)
        if message.deed == "exit":
            os._exit(9)
        if message.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            await asyncio.sleep(message.seconds)
        except asyncio.CancelledError:
            _write("cancelled", message)
            raise
        await context.publish(JobDone(number=message.number))
        _write("done", message)


def _write(stage: str, message: Job) -> None:
    with _RECORD.open("a") as record:
        record.write(f"{stage} {message.number} {os.getpid()}\n")


service = Service("shop", consumers=[Do()], producers=[Jobs])
