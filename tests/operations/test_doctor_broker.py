"""Brokers that can't be reached, don't let us in, or aren't well: each in a sentence of its own."""

import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from yarl import URL

from tests.certificates import Authority
from tests.hostile.management import PASSWORD, VirtualHost
from toolkit import Settings
from toolkit.operations.doctor.broker import met
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.management import management
from toolkit.operations.management import default_address
from toolkit.testing.broker import Broker
from toolkit.transport.rabbitmq.tls import Tls


async def found_at(url: str, *, within: float = 5.0, **settings: Any) -> list[Finding]:
    """What is said of a broker at this address; never its password."""
    async with AsyncExitStack() as stack:
        _, found = await met(url, Settings(amqp_url=url, **settings), stack, within=within)
    assert PASSWORD not in "".join(f"{finding.sentence}{finding.fix}" for finding in found)
    return found


async def the_problem(url: str, **settings: Any) -> str:
    (finding,) = await found_at(url, **settings)
    assert (finding.subject, finding.status) == ("connection", "wrong")
    assert finding.fix
    return finding.sentence


# ------------------------------------------------------------------------------ the way there


@asynccontextmanager
async def port_that_says(greeting: bytes) -> AsyncIterator[int]:
    """Something that isn't a broker."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_broker_that_is_well_is_described(amqp_url: str) -> None:
    """Version, heartbeat and sizes."""
    found = {finding.subject: finding for finding in await found_at(amqp_url)}
    assert found["connection"].status == "ok"
    assert "RabbitMQ" in found["version"].sentence
    assert found["heartbeat"].sentence == "10s, as set"
    assert "MiB" in found["sizes"].sentence


async def test_a_closed_port_says_so(nowhere: object) -> None:
    """And what could be started."""
    sentence = await the_problem("amqp://127.0.0.1:1/")
    assert "amqp://127.0.0.1:1/ can't be reached" in sentence


async def test_a_port_that_is_not_amqp_is_quoted(nowhere: object) -> None:
    """It tells what it is."""
    async with port_that_says(b"220 mail.example.com ESMTP\r\n") as port:
        sentence = await the_problem(f"amqp://bob:{PASSWORD}@127.0.0.1:{port}/")
    assert "doesn't speak AMQP 0-9-1: it answers b'220 mail.example" in sentence


async def test_a_port_that_says_nothing_is_given_up(nowhere: object) -> None:
    """A firewall that swallows everything looks like this."""
    is_over = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (finding,) = await found_at(f"amqp://127.0.0.1:{port}/", within=0.2)
        is_over.set()
    assert finding.status == "wrong"
    assert "gave no answer within 0.2s" in finding.sentence


async def test_wrong_credentials_name_the_user(virtual_host: VirtualHost) -> None:
    """And not the password."""
    url = virtual_host.url_for().replace(PASSWORD, f"{PASSWORD}-mistyped")
    sentence = await the_problem(url)
    assert f"refused user '{URL(url).user}'" in sentence


async def test_a_virtual_host_that_is_missing_or_closed_is_named(virtual_host: VirtualHost) -> None:
    """With the commands that make one, or let a user in."""
    missing = str(URL(virtual_host.url_for()).with_path("/no-such-host"))
    assert "no-such-host" in await the_problem(missing)
    assert "rabbitmqctl set_permissions" in await the_problem(virtual_host.url_for_stranger())


async def test_a_port_with_tls_and_one_without_are_told_apart(
    amqp_url: str, tls_url: str, authority: Authority
) -> None:
    """Each way round, and a certificate that nobody vouches for."""
    without = str(URL(tls_url).with_scheme("amqp"))
    assert "is a port for TLS: use an address with amqps://" in await the_problem(without)
    with_tls = str(URL(amqp_url).with_scheme("amqps"))
    assert "does not speak TLS" in await the_problem(with_tls)
    assert "is not trusted" in await the_problem(tls_url)
    found = await found_at(tls_url, tls_ca=authority.path)
    assert found[0].status == "ok"


async def test_a_heartbeat_in_the_address_is_noted(amqp_url: str) -> None:
    """It wins over the setting."""
    found = {one.subject: one for one in await found_at(f"{amqp_url}?heartbeat=7")}
    assert found["heartbeat"].status == "note"
    assert found["heartbeat"].sentence.startswith("7s instead of the 10s")


# ------------------------------------------------------------------------------ management


async def asked(url: str, amqp_url: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in await management(url, amqp_url, Tls())}


async def test_a_broker_without_alarms_and_with_our_time_is_well(
    rabbitmq: Broker, amqp_url: str
) -> None:
    """Both are on this machine."""
    found = await asked(rabbitmq.management_url, amqp_url)
    assert {subject: one.status for subject, one in found.items()} == {
        "alarms": "ok",
        "clock": "ok",
    }


async def test_without_a_management_api_alarms_and_clock_are_unknown(amqp_url: str) -> None:
    """Which isn't the same as being well, nor as being wrong."""
    found = await asked("http://127.0.0.1:1", amqp_url)
    assert {one.status for one in found.values()} == {"unknown"}
    assert set(found) == {"alarms", "clock"}
    assert all("rabbitmq_management" in str(one.fix) for one in found.values())


async def test_a_user_whom_the_api_refuses_learns_the_tag_and_still_has_the_clock(
    rabbitmq: Broker, virtual_host: VirtualHost
) -> None:
    """A service's user has no tag, as a rule; even a refusal has a date."""
    found = await asked(rabbitmq.management_url, virtual_host.url_for())
    assert found["alarms"].status == "unknown"
    assert "rabbitmqctl set_user_tags user-" in str(found["alarms"].fix)
    assert found["clock"].status == "ok"


@pytest.mark.private_broker
async def test_an_alarm_is_named_with_its_remedy(private_broker: Broker) -> None:
    """While it is up, no publish of any service gets through."""
    private_broker.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        found = await asked(private_broker.management_url, private_broker.url)
    finally:
        private_broker.ctl("set_vm_memory_high_watermark", "0.6")
    assert found["alarms"].status == "wrong"
    assert "memory is up on" in found["alarms"].sentence
    assert "vm_memory_high_watermark" in str(found["alarms"].fix)


@contextmanager
def clock_that_is_off(by: timedelta) -> Iterator[str]:
    """The address of an API on a machine with another time."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", format_datetime(datetime.now(UTC) + by, usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None: ...  # noqa: A002

    with http.server.HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_clocks_that_are_minutes_apart_are_wrong(minutes: int) -> None:
    """Whichever is ahead; with the headers that become untrue by it."""
    with clock_that_is_off(timedelta(minutes=minutes)) as url:
        found = await asked(url, "amqp://localhost/")
    assert found["clock"].status == "wrong"
    assert "`first-failed-at`" in found["clock"].sentence
    assert "NTP" in str(found["clock"].fix)


def test_the_api_is_looked_for_beside_the_broker_and_over_tls_as_amqp_is() -> None:
    """So no password goes out in the clear that didn't before."""
    assert default_address("amqp://bob:pw@example.com:5673/shop") == "http://example.com:15672"
    assert default_address("amqps://bob:pw@example.com/shop") == "https://example.com:15671"
