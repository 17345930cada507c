"""Over TLS a service works as it does without, and talks to nobody whom it can't trust.

What is wrong with a certificate is said at once: connect timeouts are a minute here, and nothing
waits for them.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from tests.certificates import Authority, Certificate
from tests.hostile.process import Process
from tests.hostile.proxy import Proxy
from tests.hostile.shop import OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually, glimpse
from toolkit import Service, TlsError
from toolkit.service.runner import REFUSED, exit_code_of
from toolkit.testing.broker import Broker

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Another authority, which nobody trusts."""
    return Authority(tmp_path)


def taking(url: str, *, trusting: Authority, **settings: Any) -> tuple[Take, Service]:
    """A service that trusts one authority, and its consumer."""
    take = Take()
    given: dict[str, Any] = {"tls_ca": trusting.path, "connect_timeout": "60s"} | settings
    return take, shop_service(url, take, producers=[Orders], **given)


async def refusal(url: str, *, trusting: Authority, **settings: Any) -> str:
    """What a start says that has to fail for want of trust."""
    _, service = taking(url, trusting=trusting, **settings)
    with pytest.raises(TlsError) as caught:
        async with asyncio.timeout(10):
            await service.start()
    assert exit_code_of(caught.value) == REFUSED
    assert str(URL(url).password) not in str(caught.value)
    return str(caught.value)


@asynccontextmanager
async def showing(certificate: Certificate) -> AsyncIterator[str]:
    """The URL of a server with this certificate.

    It knows no AMQP, and nobody who looks at its certificate gets that far.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"amqps://ada:hunter2@127.0.0.1:{server.sockets[0].getsockname()[1]}/"


# ------------------------------------------------------------------------------ with trust


async def test_messages_are_published_and_handled(tls_url: str, authority: Authority) -> None:
    """All that it takes is the certificate of the broker's authority."""
    take, service = taking(tls_url, trusting=authority)
    async with service:
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == [1])


async def test_a_lost_connection_comes_back(tls_url: str, authority: Authority) -> None:
    """With another handshake; publishing and consuming go on."""
    async with Proxy.before(tls_url) as proxy:
        take, service = taking(proxy.url, trusting=authority)
        async with service:
            proxy.cut()
            await glimpse(lambda: service.missing)
            await Orders(service).placed(OrderPlaced(number=1))
            await eventually(lambda: take.handled == [1] and not service.missing)


async def test_files_are_read_anew_for_each_connection(
    tls_url: str, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    """They may be renewed while a service runs; one that is wrong doesn't end it."""
    file = tmp_path / "trusted.pem"
    file.write_bytes(authority.path.read_bytes())
    async with Proxy.before(tls_url) as proxy:
        take, service = taking(proxy.url, trusting=authority, tls_ca=file)
        async with service:
            file.write_bytes(stranger.path.read_bytes())
            proxy.cut()
            await eventually(lambda: "not trusted" in str(service.condition))
            file.write_bytes(authority.path.read_bytes())
            await Orders(service).placed(OrderPlaced(number=1))
            await eventually(lambda: take.handled == [1] and not service.missing)


async def test_a_broker_that_asks_is_shown_a_certificate(
    tls_broker: Broker, tls_url: str, authority: Authority
) -> None:
    """Mutual TLS: the broker knows it by its subject."""
    cert, key = authority.issue("shop.example.com")
    _, service = taking(tls_url, trusting=authority, tls_cert=cert, tls_key=key)
    columns = ("list_connections", "--quiet", "vhost", "ssl", "peer_cert_subject")
    async with service:
        listed = await asyncio.to_thread(tls_broker.ctl, *columns)
        ours = [line for line in listed.splitlines() if URL(tls_url).path[1:] in line]
        assert len(ours) == 2
        assert all("true" in line and "trustme" in line for line in ours)


async def test_a_node_that_can_not_be_trusted_is_passed_over(
    tls_url: str, authority: Authority, stranger: Authority
) -> None:
    """Another node of the cluster will do."""
    async with showing(stranger.issue("127.0.0.1")) as other:
        take, service = taking(f"{other},{tls_url}", trusting=authority)
        async with service:
            await Orders(service).placed(OrderPlaced(number=1))
            await eventually(lambda: take.handled == [1])


# ------------------------------------------------------------------------------ without


async def test_a_certificate_of_another_authority_is_refused(
    tls_url: str, stranger: Authority
) -> None:
    """The sentence says whom we trust, where that is said, and how to see who is needed."""
    said = await refusal(tls_url, trusting=stranger)
    assert "not trusted" in said
    assert f"those in {stranger.path}" in said
    assert "TOOLKIT_TLS_CA" in said
    assert f"openssl s_client -connect 127.0.0.1:{URL(tls_url).port}" in said


async def test_without_an_authority_the_system_s_are_trusted(
    tls_url: str, authority: Authority
) -> None:
    """Ours isn't one of them."""
    said = await refusal(tls_url, trusting=authority, tls_ca=None)
    assert "those of this system" in said


async def test_a_certificate_for_another_host_is_refused(
    tls_url: str, authority: Authority
) -> None:
    """Both names are told."""
    url = str(URL(tls_url).with_host("localhost"))
    assert "not for 'localhost' but for '127.0.0.1'" in await refusal(url, trusting=authority)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(NOW - 2 * DAY, NOW - DAY), (NOW + DAY, NOW + 2 * DAY)],
    ids=["expired", "not yet valid"],
)
async def test_a_certificate_that_is_out_of_date_is_refused(
    authority: Authority, begins: datetime, ends: datetime
) -> None:
    """Or this machine's clock is wrong."""
    certificate = authority.issue("127.0.0.1", not_before=begins, not_after=ends)
    async with showing(certificate) as url:
        assert "out of date" in await refusal(url, trusting=authority)


async def test_a_broker_refuses_a_certificate_of_another_authority(
    tls_url: str, authority: Authority, stranger: Authority
) -> None:
    """The file is named, and its setting."""
    cert, key = stranger.issue("shop.example.com")
    said = await refusal(tls_url, trusting=authority, tls_cert=cert, tls_key=key)
    assert f"{cert} (TOOLKIT_TLS_CERT)" in said


async def test_a_broker_that_insists_on_a_certificate_takes_nobody_without(
    strict_tls_broker: Broker, authority: Authority
) -> None:
    """The settings are named that are missing; with them, it works."""
    url = str(strict_tls_broker.tls_url)
    said = await refusal(url, trusting=authority)
    assert "set TOOLKIT_TLS_CERT and TOOLKIT_TLS_KEY" in said
    cert, key = authority.issue("shop.example.com")
    take, service = taking(url, trusting=authority, tls_cert=cert, tls_key=key)
    async with service:
        await Orders(service).placed(OrderPlaced(number=1))
        await eventually(lambda: take.handled == [1])


async def test_a_port_without_tls_is_told(tls_broker: Broker, authority: Authority) -> None:
    """Not as a broken certificate, which it hasn't got."""
    url = tls_broker.url.replace("amqp://", "amqps://")
    assert "does not speak TLS" in await refusal(url, trusting=authority)


async def test_a_port_for_tls_is_told(tls_url: str, authority: Authority) -> None:
    """A broker just hangs up on who speaks AMQP there."""
    url = tls_url.replace("amqps://", "amqp://")
    assert "use an address with amqps://" in await refusal(url, trusting=authority, tls_ca=None)


async def test_a_want_of_trust_ends_the_process_with_77(
    tmp_path: Path, tls_url: str, stranger: Authority
) -> None:
    """With the sentence, without a traceback or a password."""
    async with Process.running(
        tmp_path, "mistaken:fine", tls_url, tls_ca=str(stranger.path)
    ) as process:
        assert await process.ended(within=20) == REFUSED
        assert "TOOLKIT_TLS_CA" in process.output
        assert "Traceback" not in process.output
        assert str(URL(tls_url).password) not in process.output
