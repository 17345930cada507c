"""`toolkit dev`: edit, save, and the next message meets the new code."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.development.workshop import Workshop, place
from tests.hostile.waiting import eventually


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A project with one service in it."""
    workshop = Workshop(tmp_path)
    workshop.write("services/__init__.py", "")
    workshop.write_service("shop")
    return workshop


async def test_a_published_event_is_handled(workshop: Workshop) -> None:
    """On a broker in memory, which others reach at the address that is noted for them."""
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started")
        async with workshop.client() as client:
            await place(client, 1)
            await workshop.has_handled(1)
        assert workshop.note.stat().st_mode & 0o077 == 0
        assert await workshop.stopped() == 0
    assert "service stopped" in workshop.screen
    assert not workshop.note.exists()


async def test_no_event_is_lost_while_a_service_starts_again(workshop: Workshop) -> None:
    """Published all the while: each is handled, the last ones by the new code."""
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started")
        async with workshop.client() as client:
            number = 0
            while "two" not in workshop.marks.values():
                number += 1
                await place(client, number)
                if number == 20:
                    workshop.write_service("shop", mark="two")
                await asyncio.sleep(0.01)
            await workshop.has_handled(*range(1, number + 1))
        assert workshop.screen.count("services/shop/service.py has changed") == 1


async def test_only_the_changed_service_starts_again(workshop: Workshop) -> None:
    """The other one goes on in its process."""
    workshop.write_service("depot", consumer="Store")
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started", times=2)
        workshop.write_service("shop", mark="two")
        await workshop.shows("service started", times=3)
        async with workshop.client() as client:
            await place(client, 1)
            await eventually(lambda: len(workshop.handled) == 2)
        assert set(workshop.handled) == {("Take", 1, "two"), ("Store", 1, "one")}
        assert "depot: services" not in workshop.screen


async def test_a_service_that_is_new_is_started(workshop: Workshop) -> None:
    """And one whose folder is gone is stopped."""
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started")
        workshop.write_service("depot", consumer="Store")
        await workshop.shows("service started", times=2)
        (workshop.root / "services/shop/service.py").unlink()
        await workshop.shows("shop: is gone")
        await workshop.shows("service stopped")
        async with workshop.client() as client:
            await place(client, 1)
            await workshop.has_handled(1)
        assert workshop.handled == [("Store", 1, "one")]


async def test_code_that_is_broken_waits_for_being_mended(workshop: Workshop) -> None:
    """It is shown with its own lines; what was published meanwhile is handled afterwards."""
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started")
        workshop.write("services/shop/service.py", "raise LookupError('half a thought')")
        await workshop.shows("ended with exit code 78; waiting for a change")
        assert "LookupError: half a thought" in workshop.screen
        assert "importlib" not in workshop.screen
        async with workshop.client() as client:
            await place(client, 1)
            workshop.write_service("shop", mark="two")
            await workshop.has_handled(1)
        assert workshop.marks == {1: "two"}


async def test_what_can_not_be_started_is_said(workshop: Workshop) -> None:
    """The others go on; a change tries it again."""
    table = '[tool.toolkit.service.bank]\ntarget = "bank:make"\ncommand = ["%s", "-c", ""]\n'
    workshop.write("pyproject.toml", table % "no-such-program")
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("bank: can't be started: ")
        await workshop.shows("service started")
        workshop.write("bank.py", "")
        await workshop.shows("bank: can't be started: ", times=2)


async def test_nothing_is_left_of_one_that_is_killed(workshop: Workshop) -> None:
    """Not even its services; and the note that it left is no obstacle for the next one."""
    workshop.write("services/shop/service.py", "import os\nprint('pid', os.getpid(), flush=True)\n")
    with (workshop.root / "services/shop/service.py").open("a") as file:
        file.write("import time\ndef make_service():\n    time.sleep(600)\n")
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("pid")
        pid = int(workshop.screen.split("pid ")[1].split()[0])
        await workshop.stopped(signal.SIGKILL)
        await eventually(lambda: not Path(f"/proc/{pid}").exists(), within=20)
    assert workshop.note.exists()
    workshop.write_service("shop")
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("service started")


async def test_a_second_signal_does_not_wait(workshop: Workshop) -> None:
    """For a service that won't stop."""
    workshop.write(
        "services/shop/service.py",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\ndef make_service():\n    time.sleep(600)\n",
    )
    async with workshop.developing("--broker", "memory"):
        await workshop.shows("deaf")
        assert workshop.process is not None
        os.kill(workshop.process.pid, signal.SIGINT)
        await workshop.shows("once more kills")
        assert await workshop.stopped() == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("shpo", "--broker", "memory"), 78, "did you mean shop"),
        (("--broker", "rabbit"), 78, "memory, docker, local, or the address"),
        (("--port", "5"), 2, "--port"),
    ],
)
async def test_what_can_not_be_run_is_said_before_anything_starts(
    workshop: Workshop, words: tuple[str, ...], code: int, said: str
) -> None:
    """With what to do instead."""
    async with workshop.developing(*words):
        assert workshop.process is not None
        assert await asyncio.wait_for(workshop.process.wait(), 30) == code
    assert said in workshop.screen
    assert "Traceback" not in workshop.screen
