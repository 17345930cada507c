"""Both services as processes: what they exit with, and what they say."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from demo import program
from services.orders.database import Database
from services.orders.store import OrderStore
from toolkit.testing.broker.ports import choose_free_ports

ROOT = str(Path(__file__).parents[2])
COMMANDS = {
    "orders": ("-m", "services.orders"),
    "notifications": ("-m", "toolkit", "run", "services.notifications.service:make_service"),
}
EACH = pytest.mark.parametrize("name", COMMANDS)


def environment(folder: Path, **changes: str) -> dict[str, str]:
    port, health_port = choose_free_ports(2)
    return {
        **os.environ,
        "PYTHONPATH": ROOT,
        "ORDERS_PORT": str(port),
        "ORDERS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/orders.db",
        "NOTIFICATIONS_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/notifications.db",
        "TOOLKIT_HEALTH_PORT": str(health_port),
        **changes,
    }


async def end_of(name: str, folder: Path, **changes: str) -> tuple[int | None, str]:
    """What a service that can't start exits with, and says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMANDS[name],
        cwd=folder,
        env=environment(folder, **changes),
        stderr=PIPE,
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return process.returncode, said.decode()


@EACH
async def test_without_a_broker_a_service_says_so_and_exits_with_69(
    name: str, tmp_path: Path
) -> None:
    nobody = "amqp://guest:guest@127.0.0.1:1/"

    code, said = await end_of(name, tmp_path, TOOLKIT_AMQP_URL=nobody, TOOLKIT_CONNECT_TIMEOUT="1s")

    assert code == 69
    assert "TOOLKIT_AMQP_URL" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("orders", {"ORDERS_PORT": "none", "ORDERS_ANNOUNCE_EVERY_SECONDS": "0"}),
        ("notifications", {"NOTIFICATIONS_SMTP_PORT": "none", "NOTIFICATIONS_RETRY_AFTER": "[1]"}),
    ],
)
async def test_a_wrong_setting_is_named_with_all_others_and_exits_with_78(
    name: str, wrong: dict[str, str], tmp_path: Path
) -> None:
    code, said = await end_of(name, tmp_path, **wrong)

    assert code == 78
    assert all(variable in said for variable in wrong)
    assert "Traceback" not in said


@EACH
async def test_a_database_that_is_not_there_is_named_without_its_password(
    name: str, tmp_path: Path, broker_url: str
) -> None:
    variable = f"{name.upper()}_DATABASE_URL"
    url = "postgresql+asyncpg://someone:secret@127.0.0.1:1/nothing"

    code, said = await end_of(name, tmp_path, **{variable: url})

    assert code == 1
    assert variable in said
    assert "secret" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_that_is_asked_to_stop_stops_in_order_and_exits_with_0(
    name: str, number: signal.Signals, tmp_path: Path, broker_url: str
) -> None:
    command = [sys.executable, *COMMANDS[name]]
    log = tmp_path / f"{name}.log"

    async with program.running(
        name, command, environment=environment(tmp_path), folder=tmp_path
    ) as service:
        await service.until(lambda: says(log, "publishing", "consuming"), within=30)
        code = await service.stop(within=20, by=number)

    assert code == 0
    assert await says(log, "service stopped")


async def says(log: Path, *words: str) -> bool:
    text = await asyncio.to_thread(log.read_text)
    return any(word in text for word in words)


@pytest.mark.parametrize(
    ("name", "variable"), [("orders", "ORDERS_PORT"), ("notifications", "TOOLKIT_HEALTH_PORT")]
)
async def test_a_service_is_ready_once_it_consumes(
    name: str, variable: str, tmp_path: Path, broker_url: str
) -> None:
    variables = environment(tmp_path)
    address = f"http://127.0.0.1:{variables[variable]}/readyz"

    async def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return (await client.get(address)).is_success
        return False

    async with (
        httpx.AsyncClient(trust_env=False) as client,
        program.running(
            name, [sys.executable, *COMMANDS[name]], environment=variables, folder=tmp_path
        ) as service,
    ):
        await service.until(is_ready, within=30)


TOGETHER = (
    *("-m", "toolkit", "run"),
    *("services.notifications.service:make_service", "services.orders.service:make_service"),
)


async def test_both_services_run_in_one_process_over_one_broker_in_memory(tmp_path: Path) -> None:
    """One command and no server; they stop in the reverse order."""
    log = tmp_path / "both.log"
    variables = environment(tmp_path, TOOLKIT_AMQP_URL="memory://")

    async with program.running(
        "both", [sys.executable, *TOGETHER], environment=variables, folder=tmp_path
    ) as both:
        await both.until(lambda: says(log, "consuming orders."), within=30)
        code = await both.stop(within=20)

    assert code == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["event"], line["service"]) for line in lines if "service" in line] == [
        ("service started", "notifications"),
        ("service started", "orders"),
        ("service stopped", "orders"),
        ("service stopped", "notifications"),
    ]


@pytest.mark.parametrize("command", [COMMANDS["orders"], TOGETHER], ids=["alone", "together"])
async def test_a_relay_that_fails_ends_its_process(command: Sequence[str], tmp_path: Path) -> None:
    """It would never announce anything again, and nobody would notice."""
    log = tmp_path / "orders.log"
    variables = environment(
        tmp_path, TOOLKIT_AMQP_URL="memory://", ORDERS_ANNOUNCE_EVERY_SECONDS="0.1"
    )

    async with program.running(
        "orders", [sys.executable, *command], environment=variables, folder=tmp_path
    ) as orders:
        await orders.until(lambda: says(log, "consuming orders."), within=30)
        await owe_what_can_not_be_announced(tmp_path)
        code = await orders.end(within=20)

    assert code == 1
    assert await says(log, "customer_email")


async def owe_what_can_not_be_announced(folder: Path) -> None:
    """An order that got past the API, whose event its own contract refuses."""
    database = Database(f"sqlite+aiosqlite:///{folder}/orders.db")
    async with database.opened():
        await OrderStore(database.sessions).place("nobody", lines=[], currency="EUR")
