"""The demonstration itself: it comes true, and it leaves nothing behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import NamedTuple

import pytest

from toolkit.testing.broker import Broker

ROOT = Path(__file__).parents[2]


class Choice(NamedTuple):
    """How a broker is chosen: on the command line, or in the environment."""

    arguments: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


IN_MEMORY = Choice(arguments=("--broker", "memory"))


@pytest.fixture(params=["in memory", "on RabbitMQ"])
def choice(request: pytest.FixtureRequest) -> Choice:
    if request.param == "in memory":
        return IN_MEMORY
    rabbitmq: Broker = request.getfixturevalue("rabbitmq")
    return Choice(
        variables=(
            ("TOOLKIT_AMQP_URL", rabbitmq.url),
            ("TOOLKIT_MANAGEMENT_URL", rabbitmq.management_url),
        )
    )


async def demo(choice: Choice, folder: Path) -> Process:
    """Started as `make demo` does, with its temporary files where we can look."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "demo",
        *choice.arguments,
        cwd=ROOT,
        env={**os.environ, **dict(choice.variables), "TMPDIR": str(folder)},
        stdout=PIPE,
        stderr=STDOUT,
    )


async def end_of(choice: Choice, folder: Path) -> tuple[int | None, str]:
    """What it exits with, and all that it said."""
    process = await demo(choice, folder)
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_story_comes_true_and_says_so(choice: Choice, tmp_path: Path) -> None:
    """The same story with the same claims, whatever it plays on."""
    code, story = await end_of(choice, tmp_path)

    assert code == 0, story
    assert story.count("│ yes") == 8
    assert "InvalidAddress" in story
    assert left_in(tmp_path) == []


async def test_ctrl_c_in_the_middle_of_the_story_leaves_nothing_behind(
    choice: Choice, tmp_path: Path
) -> None:
    """Whether the services are processes or not."""
    process = await demo(choice, tmp_path)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"Try 1" not in await process.stdout.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        rest = (await process.stdout.read()).decode()
        await process.wait()

    assert process.returncode == 128 + signal.SIGINT, rest
    assert "has been stopped" in rest
    assert "Traceback" not in rest
    assert left_in(tmp_path) == []
    assert running_in(tmp_path) == []


async def test_in_memory_it_needs_nothing_from_the_environment(tmp_path: Path) -> None:
    """Settings that would stop the services are for others; the ones that it needs are its own."""
    others = (
        ("TOOLKIT_AMQP_URL", "nonsense"),
        ("NOTIFICATIONS_SMTP_PORT", "none"),
        ("ORDERS_PORT", "none"),
        ("PATH", "/nowhere"),
    )

    code, story = await end_of(IN_MEMORY._replace(variables=others), tmp_path)

    assert code == 0, story


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("nonsense", 2, "'nonsense' is no broker. Choose memory, local"),
        ("", 2, "'' is no broker. Choose memory, local"),
        ("ampq://me:hunter2@localhost/", 2, "begins with 'ampq://'"),
        ("amqp://me:hunter2@127.0.0.1:1/", 69, "no broker answers at 127.0.0.1:1"),
    ],
)
async def test_a_broker_that_was_asked_for_and_can_not_be_had_ends_it_with_the_reason(
    asked: str, code: int, said: str, tmp_path: Path
) -> None:
    """Nobody who names a broker is given another one."""
    ended, story = await end_of(Choice(arguments=("--broker", asked)), tmp_path)

    assert ended == code
    assert said in " ".join(story.split())
    assert "memory" in story
    assert "hunter2" not in story
    assert "Traceback" not in story


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
