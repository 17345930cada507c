"""The demonstration itself: it comes true, and it leaves nothing behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

from toolkit.testing.broker import Broker

ROOT = Path(__file__).parents[2]


async def demo(broker: Broker, folder: Path) -> Process:
    """Started as `make demo` does, with our broker and its temporary files where we can look."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "demo",
        cwd=ROOT,
        env={
            **os.environ,
            "TOOLKIT_AMQP_URL": broker.url,
            "TOOLKIT_MANAGEMENT_URL": broker.management_url,
            "TMPDIR": str(folder),
        },
        stdout=PIPE,
        stderr=STDOUT,
    )


async def test_the_story_comes_true_and_says_so(rabbitmq: Broker, tmp_path: Path) -> None:
    process = await demo(rabbitmq, tmp_path)
    async with asyncio.timeout(60):
        said, _ = await process.communicate()

    story = said.decode()
    assert process.returncode == 0, story
    assert story.count("│ yes") == 8
    assert "InvalidAddress" in story
    assert left_in(tmp_path) == []


async def test_ctrl_c_in_the_middle_of_the_story_leaves_nothing_behind(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    process = await demo(rabbitmq, tmp_path)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"Try 1" not in await process.stdout.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        rest = (await process.stdout.read()).decode()
        await process.wait()

    assert process.returncode == 128 + signal.SIGINT, rest
    assert "has been stopped" in rest
    assert left_in(tmp_path) == []
    assert running_in(tmp_path) == []


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def running_in(folder: Path) -> list[str]:
    """Processes whose working directory is in that folder, as the demonstration's services' is."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = str(link.readlink())
        except OSError:
            continue  # not ours to look at, or gone
        if where.startswith(str(folder)):
            found.append(where)
    return found
