"""Any AMQP client can take part: a script in plain pika, run as a process of its own."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from demo.mail_server import MailServer
from tests.samples.world import make_notifications, running_orders

SCRIPT = str(Path(__file__).with_name("plain_client.py"))


async def plain_client(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, SCRIPT, *arguments, stdout=PIPE)


async def next_line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode().strip()


async def heard_by(process: Process) -> dict[str, Any]:
    heard: dict[str, Any] = json.loads(await next_line(process))
    assert await process.wait() == 0
    return heard


async def test_an_order_announced_by_a_stranger_is_mailed_and_the_stranger_hears_of_it(
    tmp_path: Path, mail_server: MailServer, broker_url: str
) -> None:
    async with make_notifications(tmp_path, mail_server):
        heard = await heard_by(await plain_client(broker_url, "order", "ada@example.com"))

    assert heard["type"] == "customers.notified"
    assert heard["body"]["about"] == "placed"
    (mail,) = mail_server.mails
    assert heard["body"]["order_id"] in mail.subject


async def test_a_stranger_hears_what_orders_announces(tmp_path: Path, broker_url: str) -> None:
    async with running_orders(tmp_path) as shop:
        stranger = await plain_client(broker_url, "listen")
        assert await next_line(stranger) == "listening"
        order = await shop.place("ada@example.com")
        heard = await heard_by(stranger)

    assert heard["type"] == "orders.placed"
    assert heard["body"]["order_id"] == order["order_id"]
    assert heard["body"]["total"] == "9.00"
