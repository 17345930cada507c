"""Several processes of one service: kept alive, told to stop, and given up when that is hopeless.

The workers are small Python programs, because only their lives matter here.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from toolkit.service.supervisor import Supervisor

REPOSITORY = Path(__file__).parents[3]

FOR_EVER = """
import signal, sys, pathlib
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(sys.argv[1], str(__import__("os").getpid())).touch()
signal.pause()
"""

STUBBORN = FOR_EVER.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN").replace(
    "signal.pause()",
    'signal.signal(signal.SIGINT, lambda *_: sys.exit(0)); [signal.pause() for _ in "12"]',
)


def supervisor(source: str, count: int, directory: Path) -> Supervisor:
    return Supervisor([sys.executable, "-S", "-c", source, str(directory)], count)


def born(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def until_born(directory: Path, count: int) -> None:
    async with asyncio.timeout(20):
        while len(born(directory)) < count:
            await asyncio.sleep(0.01)


def is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_signal_is_passed_on_and_every_worker_awaited(tmp_path: Path) -> None:
    """Ended in order, all of them: 0."""
    running = asyncio.create_task(supervisor(FOR_EVER, 3, tmp_path).run())
    await until_born(tmp_path, 3)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 20) == 0
    assert not [worker for worker in born(tmp_path) if is_alive(worker)]


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_signal_that_comes_while_workers_are_born_reaches_them(
    tmp_path: Path, turns: int
) -> None:
    """However early it is."""
    running = asyncio.create_task(supervisor(FOR_EVER, 2, tmp_path).run())
    for _ in range(turns):
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 20) == 0


async def test_a_second_signal_is_passed_on_as_well_and_told_by_the_exit_code(
    tmp_path: Path,
) -> None:
    """Whoever sends two wants it to end at once, and must see that it did."""
    running = asyncio.create_task(supervisor(STUBBORN, 1, tmp_path).run())
    await until_born(tmp_path, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    assert await asyncio.wait_for(running, 20) == 128 + signal.SIGINT


@pytest.mark.parametrize("code", [2, 69, 77, 78])
async def test_a_worker_that_can_never_start_ends_all_of_them(tmp_path: Path, code: int) -> None:
    """With its exit code, which says why; restarting it would only hide that."""
    source = f"""
import os, pathlib, sys
try:
    pathlib.Path(sys.argv[1], "first").mkdir()
except FileExistsError:
    exec({FOR_EVER!r})
else:
    while len(os.listdir(sys.argv[1])) < 2: pass
    sys.exit({code})
"""
    running = asyncio.create_task(supervisor(source, 2, tmp_path).run())
    assert await asyncio.wait_for(running, 20) == code


def go_all_at_once(directory: Path) -> None:
    """Holds up this very process until every worker has ended."""
    pids = [int(name) for name in born(directory)]
    (directory / "go").touch()
    for pid in pids:
        with suppress(ChildProcessError):  # asyncio's own thread was first
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_workers_that_can_never_start_may_all_end_at_once(tmp_path: Path) -> None:
    """As they do over a mistake in the configuration: each has ended when the first is noticed."""
    source = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
while not os.path.exists(sys.argv[1] + "/go"): pass
sys.exit(78)
"""
    running = asyncio.create_task(supervisor(source, 3, tmp_path).run())
    await until_born(tmp_path, 3)
    go_all_at_once(tmp_path)
    assert await asyncio.wait_for(running, 20) == 78


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    """Whatever it died of, even if it was killed; after a pause, so that it doesn't spin."""
    began = asyncio.get_running_loop().time()
    source = f"""
import os, pathlib, sys
try:
    pathlib.Path(sys.argv[1], "first").mkdir()
except FileExistsError:
    exec({FOR_EVER!r})
else:
    os.kill(os.getpid(), 9)
"""
    running = asyncio.create_task(supervisor(source, 1, tmp_path).run())
    await until_born(tmp_path, 2)
    assert asyncio.get_running_loop().time() - began > 0.5
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 20) == 0


async def test_every_worker_knows_its_number(tmp_path: Path) -> None:
    """For logs and names that must differ."""
    source = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], os.environ["TOOLKIT_WORKER"]).touch()
while len(os.listdir(sys.argv[1])) < 3: pass
sys.exit(78)
"""
    running = asyncio.create_task(supervisor(source, 3, tmp_path).run())
    assert await asyncio.wait_for(running, 20) == 78
    assert set(born(tmp_path)) == {"1", "2", "3"}


async def test_a_worker_hears_of_its_supervisors_death(tmp_path: Path) -> None:
    """A killed supervisor can't tell it, so the end of a pipe does."""
    worker = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], "born").touch()
os.read(int(os.environ["TOOLKIT_SUPERVISOR_PIPE"]), 1)
pathlib.Path(sys.argv[1], "orphaned").touch()
"""
    source = f"""
import asyncio, sys
from toolkit.service.supervisor import Supervisor
command = [sys.executable, "-S", "-c", {worker!r}, {str(tmp_path)!r}]
asyncio.run(Supervisor(command, 1).run())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    await until_born(tmp_path, 1)
    process.kill()
    await process.wait()
    await until_born(tmp_path, 2)
    assert set(born(tmp_path)) == {"born", "orphaned"}
