"""`python -m demo`: raises the curtain, tells the story, and exits 0 only if all of it came true.

Receives a broker from wherever one is to be had, hands the story a stage of its own, and leaves
nothing behind, whether it ends well, badly, or with Ctrl-C.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from demo import stage, story
from demo.narrator import Narrator
from demo.program import ProgramEndedError
from toolkit.testing.broker import Broker, BrokerFailedError, BrokerNotFoundError, find_broker
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.management import ManagementError

CAME_TRUE = 0
DID_NOT = 1
NO_STAGE = 69  # sysexits.h: EX_UNAVAILABLE
INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Returns the exit code."""
    # One way out: SIGTERM stops us as Ctrl-C does, which a shell may have had us ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    narrator = Narrator(Console())
    began = time.monotonic()
    try:
        play(narrator)
    except KeyboardInterrupt:
        narrator.say("Interrupted; all that was started has been stopped.")
        return INTERRUPTED
    except (BrokerNotFoundError, BrokerFailedError, ManagementError, ProgramEndedError) as error:
        narrator.say(f"The story could not be told: {error}")
        return NO_STAGE
    narrator.sum_up()
    narrator.say(f"It took {time.monotonic() - began:.0f} s, and nothing of it is left running.")
    return CAME_TRUE if narrator.all_came_true else DID_NOT


def play(narrator: Narrator) -> None:
    """Everything that is started in here is gone when it returns or raises."""
    narrator.chapter("The stage")
    with (
        Keeper() as keeper,
        tempfile.TemporaryDirectory(prefix="toolkit-demo-") as folder,
        virtual_host(narrator.say) as amqp_url,
    ):
        keeper.hold("directory", folder)
        narrator.say("Starting two services, each a process of its own, and a mail server.")
        asyncio.run(perform(narrator, amqp_url, Path(folder), keeper))


async def perform(narrator: Narrator, amqp_url: str, folder: Path, keeper: Keeper) -> None:
    """The story on its stage."""
    async with stage.raised(amqp_url, folder, keeper) as raised:
        narrator.say("All are up.")
        try:
            await story.tell(raised, narrator)
        except (TimeoutError, httpx.HTTPError) as error:
            narrator.claim(f"The story comes to its end, not to {error!r}", came_true=False)
        if not narrator.all_came_true:
            for program in raised.programs:
                narrator.show(f"The last words of {program.name}", program.last_words())


@contextmanager
def virtual_host(say: Callable[[str], None]) -> Iterator[str]:
    """The URL of a virtual host that is ours alone, on whatever broker there is."""
    with ExitStack() as stack:
        broker = stack.enter_context(find_broker(say))
        try:
            url = stack.enter_context(_one_on(broker))
        except ManagementError as error:
            if broker.is_ours:
                raise
            say(f"No virtual host of our own can be made there: {error} Taking another broker.")
            broker = stack.enter_context(find_broker(say, variables=()))
            url = stack.enter_context(_one_on(broker))
        yield url


def _one_on(broker: Broker) -> AbstractContextManager[str]:
    return broker.virtual_host(f"demo-{os.getpid()}")


if __name__ == "__main__":
    sys.exit(main())
