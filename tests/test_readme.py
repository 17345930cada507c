"""The README's code: it type-checks as it is written, and what it says of the wire is enough."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.notifications.contracts import OrderPlaced
from tests.outsider import eventually
from toolkit import Consumer, Context, Service, Settings

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
PIKA = next(block for block in BLOCKS if "import pika" in block)
IN_MEMORY = next(block for block in BLOCKS if "memory://" in block)
TOGETHER = "\n".join(block for block in BLOCKS if block not in (PIKA, IN_MEMORY))


@pytest.mark.parametrize(
    "code", [TOGETHER, IN_MEMORY], ids=["blocks that build on each other", "without a server"]
)
def test_the_readme_type_checks_as_it_is_written(code: str, tmp_path: Path) -> None:
    """Each as one module, under mypy --strict."""
    module = tmp_path / "readme.py"
    module.write_text(code)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(module)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


async def test_the_program_without_a_server_runs_as_it_is_written(tmp_path: Path) -> None:
    """Saved to a file and started, with nothing around it."""
    (tmp_path / "shop.py").write_text(IN_MEMORY)
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "shop.py",
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(program.communicate(), 30)
    assert program.returncode == 0
    assert b"a parcel with Darjeeling" in output.splitlines()


class Note(Consumer[OrderPlaced]):
    """Writes down what comes."""

    def __init__(self) -> None:
        self.seen: list[OrderPlaced] = []

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """One more."""
        self.seen.append(message)


async def test_the_pika_script_talks_with_services(amqp_url: str) -> None:
    """Word for word, it places an order that notifications' contract takes, and hears one."""
    consumer = Note()
    async with Service("listener", consumers=[consumer], settings=Settings(amqp_url=amqp_url)):
        script = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PIKA,
            env=os.environ | {"TOOLKIT_AMQP_URL": amqp_url},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(script.communicate(), 30)
        await eventually(lambda: bool(consumer.seen))
    assert script.returncode == 0
    assert output.startswith(b"orders.placed")
    assert consumer.seen[0].customer_email == "ada@example.org"


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_every_make_target_that_is_named_exists(target: str) -> None:
    """`make demo`, `make test` and `make check` are in the README and in the Makefile."""
    assert f"make {target}" in (ROOT / "README.md").read_text()
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()
