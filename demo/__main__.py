"""`python -m demo`: raises the curtain, tells the story, and exits 0 only if all of it came true.

Receives the command line, hands the story a stage of its own on the broker of its choice, and
leaves nothing behind, whether it ends well, badly, or with Ctrl-C.
"""

import asyncio
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

import httpx
from rich.console import Console

from demo import broker, stage, story
from demo.narrator import Narrator
from demo.program import ProgramEndedError
from toolkit import ToolkitError
from toolkit.testing.broker.keeper import Keeper
from toolkit.transport.memory.named import is_memory

CAME_TRUE = 0
DID_NOT = 1
NO_STAGE = 69  # sysexits.h: EX_UNAVAILABLE
INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Returns the exit code."""
    asked = _asked_broker()
    # One way out: SIGTERM stops us as Ctrl-C does, which a shell may have had us ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    narrator = Narrator(Console())
    began = time.monotonic()
    try:
        play(narrator, asked)
    except KeyboardInterrupt:
        narrator.say("Interrupted; all that was started has been stopped.")
        return INTERRUPTED
    except (ToolkitError, ProgramEndedError) as error:
        narrator.say(f"The story could not be told: {error}")
        if asked not in (None, broker.MEMORY):
            narrator.say("It needs no RabbitMQ with --broker memory (make demo BROKER=memory).")
        return NO_STAGE
    narrator.sum_up()
    narrator.say(f"It took {time.monotonic() - began:.0f} s, and nothing of it is left running.")
    return CAME_TRUE if narrator.all_came_true else DID_NOT


def _asked_broker() -> str | None:
    parser = ArgumentParser(prog="python -m demo", description="Tells three orders' stories.")
    parser.add_argument(
        "--broker",
        type=broker.choice,
        metavar="memory|local|docker|amqp://...",
        help="where to play it; by default on the first RabbitMQ that is to be had, else in memory",
    )
    asked: str | None = parser.parse_args().broker
    return asked


def play(narrator: Narrator, asked: str | None) -> None:
    """Everything that is started in here is gone when it returns or raises."""
    narrator.chapter("The stage")
    with (
        Keeper() as keeper,
        tempfile.TemporaryDirectory(prefix="toolkit-demo-") as folder,
        broker.found(asked, narrator.say) as url,
    ):
        keeper.hold("directory", folder)
        where = "both in this process" if is_memory(url) else "each a process of its own"
        narrator.say(f"Starting two services, {where}, and a mail server.")
        asyncio.run(perform(narrator, url, Path(folder), keeper))


async def perform(narrator: Narrator, broker_url: str, folder: Path, keeper: Keeper) -> None:
    """The story on its stage."""
    async with stage.raised(broker_url, folder, keeper) as raised:
        narrator.say("All are up.")
        try:
            await story.tell(raised, narrator)
        except (TimeoutError, httpx.HTTPError) as error:
            narrator.claim(f"The story comes to its end, not to {error!r}", came_true=False)
        if not narrator.all_came_true:
            for log in raised.logs:
                narrator.show(f"The last words of {log.name}", log.last_words())


if __name__ == "__main__":
    sys.exit(main())
