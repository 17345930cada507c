"""Starts that must fail: at once, with a sentence that names what is wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.management import PASSWORD, VirtualHost, all_but
from tests.hostile.process import Process
from tests.hostile.proxy import Proxy
from tests.hostile.shop import OrderPlaced, Orders, Take, shop_service
from tests.hostile.waiting import eventually
from toolkit import (
    AccessRefusedError,
    ConfigurationError,
    Context,
    QueueOptions,
    Retry,
    Service,
    Settings,
    SettingsError,
    ToolkitError,
    TopologyError,
)
from toolkit.service.runner import exit_code_of

UNAVAILABLE, REFUSED, CONFIGURATION = 69, 77, 78


async def refusal(service: Service, *, within: float = 10) -> ToolkitError:
    """What a start that must fail raises; it leaves nothing running, and tells no password."""
    with pytest.raises(ToolkitError) as caught:
        async with asyncio.timeout(within):
            await service.start()
    assert not service.is_running
    assert PASSWORD not in str(caught.value)
    return caught.value


# ------------------------------------------------------------------------------ declarations


class Steal(Take):
    queue = QueueOptions(name="shop.take")


DECLARATIONS: dict[str, Callable[[], object]] = {
    "concurrency that is no number": lambda: Take(concurrency="many"),
    "half a slot": lambda: Take(concurrency=2.5),
    "no slots": lambda: Take(concurrency=0),
    "prefetch below concurrency": lambda: Take(concurrency=8, prefetch=4),
    "a timeout that is no duration": lambda: Take(timeout="soon"),
    "retry that is no policy": lambda: Take(retry="3 times"),
    "a queue name that is no text": lambda: Take(queue=QueueOptions(name=5)),  # type: ignore[arg-type]
    "a queue name of 300 bytes": lambda: Take(queue=QueueOptions(name="q" * 300)),
    "a queue name that the library can't send": lambda: Take(queue=QueueOptions(name="größe 木")),
    "a queue name of the broker's own": lambda: Take(queue=QueueOptions(name="amq.mine")),
    "a queue type that is none": lambda: Take(queue=QueueOptions(type="stream")),  # type: ignore[arg-type]
    "no delivery limit": lambda: Take(queue=QueueOptions(delivery_limit=None)),  # type: ignore[arg-type]
    "a delivery limit below the crash budget": lambda: Take(queue=QueueOptions(delivery_limit=2)),
    "a time to live that is no duration": lambda: Take(queue=QueueOptions(ttl="1 week")),
    "an argument that can't be sent": lambda: Take(queue=QueueOptions(arguments={"x-a": object()})),
    "a class in the place of a consumer": lambda: Take,
    "something else entirely": lambda: "shop.take",
}


@pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_declaration_that_can_not_work_is_a_configuration_error(
    declared: Callable[[], Any],
) -> None:
    """Found without a broker, and never a bare TypeError."""
    with pytest.raises(ConfigurationError) as caught:
        shop_service("amqp://127.0.0.1:1/", declared())
    assert caught.value.problems
    assert exit_code_of(caught.value) == CONFIGURATION


def test_two_consumers_of_one_queue_are_both_named() -> None:
    """Each would get half of the other's messages."""
    with pytest.raises(ConfigurationError, match=r"Take and Steal .* 'shop\.take'"):
        shop_service("amqp://127.0.0.1:1/", Take(), Steal())


def test_every_rung_that_can_not_be_read_is_named() -> None:
    """All of them in one error."""
    with pytest.raises(ConfigurationError) as caught:
        Retry(after=("1s", "5 parsecs", "-2s"))
    assert len(caught.value.problems) == 2
    assert "5 parsecs" in str(caught.value)
    assert "-2s" in str(caught.value)


URLS = [
    f"amqp://bob:{PASSWORD}@localhost:99999/",
    f"amqp://bob:{PASSWORD}/@localhost/",
    f"amqp://bob:{PASSWORD}@[::1/",
    f"http://bob:{PASSWORD}@localhost/",
    f"bob:{PASSWORD}@localhost",
    PASSWORD,
    f"amqp://bob:{PASSWORD}@/",
    f"amqp://bob:{PASSWORD}@localhost/ , ftp://bob:{PASSWORD}@localhost/",
    "",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    """It may hold a password, wherever that was mistyped."""
    with pytest.raises(SettingsError, match="TOOLKIT_AMQP_URL") as caught:
        Settings(amqp_url=url)
    assert PASSWORD not in str(caught.value)


# ------------------------------------------------------------------------------ access


@pytest.mark.parametrize("after", [0, 600, 1_200])
async def test_a_broker_that_falls_silent_is_given_up_after_the_deadline(
    amqp_url: str, after: int
) -> None:
    """It is for the whole start, not for the handshake alone."""
    async with Proxy.before(amqp_url) as proxy:
        proxy.silent_after = after
        service = shop_service(proxy.url, Take(), connect_timeout="500ms")
        error = await refusal(service, within=5)
    assert exit_code_of(error) == UNAVAILABLE
    assert "127.0.0.1" in str(error)


async def test_wrong_credentials_are_refused_at_once(virtual_host: VirtualHost) -> None:
    """The user is named, the password is not."""
    url = virtual_host.url_for().replace(PASSWORD, f"{PASSWORD}-mistyped")
    error = await refusal(shop_service(url, Take(), connect_timeout="60s"))
    assert exit_code_of(error) == REFUSED
    assert "user-" in str(error)


async def test_a_missing_virtual_host_is_named_at_once(virtual_host: VirtualHost) -> None:
    """No deadline is waited for: it won't appear by itself."""
    url = virtual_host.url_for().rpartition("/")[0] + "/atlantis"
    error = await refusal(shop_service(url, Take(), connect_timeout="60s"))
    assert isinstance(error, AccessRefusedError)
    assert exit_code_of(error) == REFUSED
    assert "atlantis" in str(error)


async def test_a_virtual_host_that_the_user_may_not_enter_is_named(
    virtual_host: VirtualHost,
) -> None:
    """The user as well."""
    url = virtual_host.url_for_stranger()
    error = await refusal(shop_service(url, Take(), connect_timeout="60s"))
    assert exit_code_of(error) == REFUSED
    assert virtual_host.name in str(error)
    assert "user-" in str(error)


MISSING = {
    # mode, permission, names it is missing for: what the error names
    ("declare", "configure", "events"),
    ("declare", "configure", "shop.take"),
    ("declare", "configure", "shop.delay.1s"),
    ("declare", "write", "events"),
    ("declare", "write", "commands"),
    ("declare", "write", "shop.take"),
    ("declare", "write", "shop.delay.1s"),
    ("declare", "write", "amq.default"),
    ("declare", "read", "events"),
    ("declare", "read", "shop.take"),
    ("check", "write", "events"),
    ("check", "write", "commands"),
    ("check", "write", "shop.delay.1s"),
    ("check", "write", "amq.default"),
    ("check", "read", "shop.take"),
    ("off", "write", "events"),
    ("off", "write", "commands"),
    ("off", "write", "shop.delay.1s"),
    ("off", "write", "amq.default"),
    ("off", "read", "shop.take"),
}


@pytest.fixture
def restricted(virtual_host: VirtualHost) -> Callable[..., Service]:
    """The whole shop, on behalf of a user with few rights."""

    def make(topology: str, **rights: str) -> Service:
        url = virtual_host.url_for(**rights)
        take = Take(retry=Retry(immediately=0, after=("1s",)))
        return shop_service(url, take, producers=[Orders], topology=topology)

    return make


@pytest.mark.parametrize(("mode", "permission", "name"), sorted(MISSING))
async def test_a_missing_permission_is_named_at_start_up(
    amqp_url: str, restricted: Callable[..., Service], mode: str, permission: str, name: str
) -> None:
    """In every mode, with the queue or exchange and the permission; exit code 77."""
    take = Take(retry=Retry(immediately=0, after=("1s",)))
    async with shop_service(amqp_url, take, producers=[Orders]):
        pass  # everything is there
    error = await refusal(restricted(mode, **{permission: all_but(name)}))
    assert exit_code_of(error) == REFUSED
    assert name in str(error)
    assert permission in str(error)


async def test_all_missing_permissions_are_named_at_once(
    restricted: Callable[..., Service],
) -> None:
    """Not one after the other, with a restart for each."""
    error = await refusal(restricted("declare", configure="", write="", read=""))
    assert isinstance(error, TopologyError)
    assert exit_code_of(error) == REFUSED
    for name in ("events", "commands", "shop.take", "shop.take.dead", "shop.delay.1s"):
        assert any(f"'{name}'" in line for line in error.refusals), name


@pytest.mark.parametrize("mode", ["check", "off"])
async def test_without_configure_what_exists_can_be_used(
    amqp_url: str, restricted: Callable[..., Service], mode: str
) -> None:
    """That is what these modes are for."""
    take = Take(retry=Retry(immediately=0, after=("1s",)))
    async with shop_service(amqp_url, take, producers=[Orders]):
        pass
    async with restricted(mode, configure="") as service:
        assert not service.missing


async def test_a_missing_queue_is_named_where_nothing_may_be_declared(amqp_url: str) -> None:
    """Every missing queue and exchange, in one error."""
    error = await refusal(shop_service(amqp_url, Take(), topology="check"))
    assert isinstance(error, TopologyError)
    for name in ("events", "shop.take", "shop.take.dead", "shop.suspects"):
        assert any(f"'{name}' is missing" in problem for problem in error.problems), name


# ------------------------------------------------------------------------------ differences


@pytest.mark.parametrize("mode", ["declare", "check"])
async def test_every_difference_is_listed_and_nothing_is_changed(
    amqp_url: str, virtual_host: VirtualHost, mode: str
) -> None:
    """Several in several queues: what, which argument, wanted, found, and what to do."""
    virtual_host.add_exchange("events", "fanout", durable=False)
    virtual_host.add_queue(
        "shop.take", x_queue_type="quorum", x_max_length=7, x_overflow="drop-head",
        x_delivery_limit=5,
    )  # fmt: skip
    virtual_host.add_queue("shop.take.dead", x_queue_type="classic", durable=False)
    virtual_host.add_queue("shop.delay.1s", x_queue_type="quorum", x_message_ttl=2_000)
    before = virtual_host.everything()
    take = Take(retry=Retry(immediately=0, after=("1s",)))
    error = await refusal(shop_service(amqp_url, take, topology=mode))
    assert isinstance(error, TopologyError)
    found = {(d.name, d.argument, d.wanted, d.found) for d in error.differences}
    assert found >= {
        ("events", "type", "topic", "fanout"),
        ("events", "durable", True, False),
        ("shop.take", "x-max-length", None, 7),
        ("shop.take", "x-overflow", "reject-publish", "drop-head"),
        ("shop.take", "x-delivery-limit", 20, 5),
        ("shop.take", "x-dead-letter-exchange", "", None),
        ("shop.take.dead", "x-queue-type", "quorum", "classic"),
        ("shop.take.dead", "durable", True, False),
        ("shop.delay.1s", "x-message-ttl", 1_000, 2_000),
    }
    assert len(found) == len(error.differences)
    assert "rabbitmqctl delete_queue" in str(error)
    assert exit_code_of(error) == CONFIGURATION
    assert virtual_host.everything() == before


@pytest.mark.parametrize("kind", ["classic", "stream"])
async def test_a_queue_of_another_type_is_a_difference(
    amqp_url: str, virtual_host: VirtualHost, kind: str
) -> None:
    """One sentence that names queue, argument, wanted and found."""
    virtual_host.add_queue("shop.take", x_queue_type=kind)
    error = await refusal(shop_service(amqp_url, Take()))
    assert f"queue 'shop.take': x-queue-type should be 'quorum', the broker has '{kind}'" in str(
        error
    )


async def test_a_service_starts_again_once_the_difference_is_gone(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """A failed start leaves nothing behind that would keep the next one from working."""
    virtual_host.add_queue("shop.take", x_queue_type="classic")
    service = shop_service(amqp_url, Take())
    await refusal(service)
    virtual_host.delete_queue("shop.take")
    async with service:
        assert not service.missing


class Never(Take):
    """Never done."""

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        await asyncio.Event().wait()


class Other(Take):
    """Whose queue will be missing."""


async def test_a_start_that_fails_half_way_returns_what_it_was_given(
    amqp_url: str, virtual_host: VirtualHost
) -> None:
    """The first consumer has its messages when the second one's queue turns out to be missing;
    while the lifespan takes its time to close, nothing is handed back and forth.
    """

    @asynccontextmanager
    async def slow_to_close(_: Service) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(0.5)

    consumers = (Never(), Other())
    async with shop_service(
        amqp_url, *consumers, producers=[Orders], shutdown_grace="0s"
    ) as service:
        await Orders(service).placed.many(OrderPlaced(number=number) for number in range(50))
    virtual_host.delete_queue("shop.other")
    error = await refusal(
        shop_service(amqp_url, *consumers, topology="off", lifespan=slow_to_close)
    )
    assert "shop.other" in str(error)
    await eventually(lambda: virtual_host.messages("shop.never") == 50)
    assert virtual_host.messages("shop.never.dead") == 0


# ------------------------------------------------------------------------------ the process


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def fails(process: Process, code: int, *words: str, within: float = 20) -> None:
    """It ends with this code, in time, with these words, without a traceback or a password."""
    assert await process.ended(within=within) == code, process.output
    assert all(word in process.output for word in words), process.output
    assert "Traceback" not in process.output
    assert PASSWORD not in process.output


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("one_queue_for_two", ("Take", "Steal", "shop.take")),
        ("one_name_for_two", ("OrderPlaced", "OrderTaken", "orders.placed")),
        ("an_unreadable_rung", ("5 parsecs",)),
        ("nothing_of_that_name", ("nothing_of_that_name",)),
    ],
)
async def test_a_mistake_ends_the_process_with_78(
    tmp_path: Path, program: str, words: tuple[str, ...]
) -> None:
    """Before it has talked to any broker."""
    async with Process.running(tmp_path, f"mistaken:{program}", "amqp://127.0.0.1:1/") as process:
        await fails(process, CONFIGURATION, *words)


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_an_unreachable_broker_ends_the_process_with_69(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Within the deadline, with the address."""
    url = f"amqp://bob:{PASSWORD}@127.0.0.1:1/"
    async with Process.running(
        tmp_path, "mistaken:fine", url, *arguments, connect_timeout="500ms"
    ) as process:
        await fails(process, UNAVAILABLE, "amqp://bob:***@127.0.0.1:1/")


async def test_a_server_that_stays_silent_ends_the_process_with_69(
    tmp_path: Path, silent_port: int
) -> None:
    """It accepts the connection and never says a word."""
    url = f"amqp://bob:{PASSWORD}@127.0.0.1:{silent_port}/"
    async with Process.running(tmp_path, "mistaken:fine", url, connect_timeout="500ms") as process:
        await fails(process, UNAVAILABLE, f"127.0.0.1:{silent_port}")


async def test_a_refusal_ends_the_process_with_77(
    tmp_path: Path, virtual_host: VirtualHost
) -> None:
    """Whoever supervises it needn't try again."""
    url = virtual_host.url_for(write="")
    async with Process.running(tmp_path, "mistaken:fine", url) as process:
        await fails(process, REFUSED, "events", "write")


async def test_a_difference_ends_the_process_with_78(
    tmp_path: Path, virtual_host: VirtualHost
) -> None:
    """With the sentence, and what to do."""
    virtual_host.add_queue("shop.take", x_queue_type="classic")
    async with Process.running(tmp_path, "mistaken:fine", virtual_host.url_for()) as process:
        await fails(process, CONFIGURATION, "'shop.take'", "'quorum'", "'classic'", "delete_queue")


async def test_a_process_that_runs_tells_no_password(
    tmp_path: Path, virtual_host: VirtualHost
) -> None:
    """Not when it starts, and not when it has lost its broker, at any level."""
    async with (
        Proxy.before(virtual_host.url_for()) as proxy,
        Process.running(tmp_path, "mistaken:fine", proxy.url, log_level="debug") as process,
    ):
        await process.started()
        proxy.close()
        await eventually(lambda: "still disconnected" in process.output)
        proxy.reopen()
        await eventually(lambda: "consumer registered again" in process.output)
        assert PASSWORD not in process.output
