"""`toolkit top` and `toolkit capacity` on a real RabbitMQ: with its management API, and without."""

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from tests.hostile.management import VirtualHost
from tests.hostile.wire import Wire
from toolkit.cli.main import app
from toolkit.operations.address import Address
from toolkit.operations.rates import History, Source, UnknownQueueError, Wanted, flows_of, opened
from toolkit.operations.rates.source import AmqpSource, NothingToAskForError
from toolkit.service.settings import Settings
from toolkit.testing.broker import Broker
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.inspector import Inspector

QUEUE = "shop.ship"
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing answers there
SHIP = Wanted({QUEUE: 4}, (QUEUE,))
STATISTICS = 60.0  # seconds in which a broker has them, which it takes 5 to 10 for


@pytest.fixture
def virtual_host(rabbitmq: Broker, amqp_url: str) -> Iterator[VirtualHost]:
    """The test's own, with one queue in it."""
    with VirtualHost.of(rabbitmq, amqp_url) as virtual_host:
        virtual_host.add_queue(QUEUE, x_queue_type="quorum")
        yield virtual_host


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No project around, and no address set."""
    monkeypatch.chdir(tmp_path)
    for variable in ("TOOLKIT_AMQP_URL", "TOOLKIT_MANAGEMENT_URL"):
        monkeypatch.delenv(variable, raising=False)


def fill(url: str, number: int) -> None:
    """Put so many messages in."""
    with Wire.connected(url) as wire:
        for _ in range(number):
            wire.publish("", QUEUE.encode(), {}, b"{}")


async def counted(source: Source, *, published: int, done: int, backlog: int) -> History:
    """The queue, once the broker's statistics say this of it. Raises TimeoutError."""
    async with asyncio.timeout(STATISTICS):
        while True:
            (history,) = (await source.read()).histories
            last = [series[-1].value for series in (history.published, history.done) if series]
            if (last, history.backlog) == ([published, done], backlog):
                return history
            await asyncio.sleep(0.2)


def run(*words: str) -> tuple[int, str]:
    """A command, with its exit code and all that it said."""
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.usefixtures("virtual_host")
async def test_the_management_api_has_counters_of_what_came_and_what_was_done(
    rabbitmq: Broker, amqp_url: str
) -> None:
    """Thirty came, ten were taken for good; both by its own samples, not by when we look."""
    fill(amqp_url, 30)
    with Wire.connected(amqp_url) as wire:
        for _ in range(10):
            wire.get(QUEUE)
    address = Address(amqp_url, "a test", rabbitmq.management_url)
    async with opened(address, SHIP, window=60) as source:
        history = await counted(source, published=30, done=10, backlog=20)
    assert (history.queue, history.type, history.consumers) == (QUEUE, "quorum", 0)
    assert history.unacked == 0


async def test_without_it_what_is_ready_is_counted_by_ourselves(
    virtual_host: VirtualHost, amqp_url: str
) -> None:
    """Twenty within ten seconds are two a second; the clock is the test's."""
    now = 0.0
    fill(amqp_url, 40)
    async with inspected(amqp_url) as inspector:
        source = AmqpSource(inspector, SHIP, window=60, reason="a test", clock=lambda: now)
        before = flows_of(await source.read(), SHIP, within=60)
        now = 10.0
        fill(amqp_url, 20)
        (flow,) = flows_of(await source.read(), SHIP, within=60, before=before)
        assert (flow.ready, flow.growth, flow.verdict) == (60, 2.0, "never")
        assert (flow.arrivals, flow.completions, flow.unacked) == (None, None, None)
        virtual_host.delete_queue(QUEUE)
        (gone,) = flows_of(await source.read(), SHIP, within=60, before=(flow,))
        assert gone.verdict == "gone"


@asynccontextmanager
async def inspected(url: str) -> AsyncIterator[Inspector]:
    """A look at the broker over AMQP."""
    options = RabbitOptions(urls=Settings(amqp_url=SecretStr(url)).urls, service="test")
    async with Inspector.connected(options) as inspector:
        yield inspector


@pytest.mark.usefixtures("virtual_host")
async def test_no_management_api_is_said_with_how_to_get_it(amqp_url: str) -> None:
    """And the look goes on over AMQP."""
    fill(amqp_url, 3)
    async with opened(Address(amqp_url, "a test", NOBODY), SHIP, window=60) as source:
        reading = await source.read()
    assert (reading.measured_by, reading.histories[0].ready) == ("amqp", 3)
    assert "doesn't answer" in (reading.note or "")
    assert "rabbitmq-plugins enable rabbitmq_management" in (reading.note or "")


async def test_a_user_without_the_tag_is_told_its_name(
    rabbitmq: Broker, virtual_host: VirtualHost
) -> None:
    """401, and AMQP all the same."""
    address = Address(virtual_host.url_for(), "a test", rabbitmq.management_url)
    async with opened(address, SHIP, window=60) as source:
        reading = await source.read()
    assert reading.measured_by == "amqp"
    assert "rabbitmqctl set_user_tags user-" in (reading.note or "")


@pytest.mark.parametrize("has_management", [True, False])
@pytest.mark.usefixtures("virtual_host")
async def test_a_queue_that_is_not_there_is_an_error(
    rabbitmq: Broker, amqp_url: str, *, has_management: bool
) -> None:
    """With the one that was probably meant."""
    where = rabbitmq.management_url if has_management else NOBODY
    with pytest.raises(UnknownQueueError, match=r"no queue 'shop\.shop'"):
        async with opened(Address(amqp_url, "", where), Wanted({}, ("shop.shop",)), window=60):
            pass


@pytest.mark.usefixtures("virtual_host")
async def test_without_names_amqp_has_nothing_to_look_at(amqp_url: str) -> None:
    """It has no list of queues."""
    with pytest.raises(NothingToAskForError, match="give --queue NAME"):
        async with opened(Address(amqp_url, "", NOBODY), Wanted(), window=60):
            pass


@pytest.mark.usefixtures("virtual_host")
def test_one_look_is_one_document(rabbitmq: Broker, amqp_url: str) -> None:
    """For a script, or for monitoring."""
    where = ("--broker", amqp_url, "--management", rabbitmq.management_url)
    code, said = run("top", "--once", "--json", *where)
    document = json.loads(said)
    assert code == 0
    assert (document["measured_by"], document["within"]) == ("management", 600.0)
    assert [queue["queue"] for queue in document["queues"]] == [QUEUE]


@pytest.mark.usefixtures("virtual_host")
def test_one_look_is_a_table_for_people(rabbitmq: Broker, amqp_url: str) -> None:
    """With a line for each queue."""
    where = ("--broker", amqp_url, "--management", rabbitmq.management_url)
    code, said = run("top", "--once", "--within", "5m", *where)
    assert code == 0
    assert "in/s (P)" in said
    assert "+ for 5m" in said
    assert QUEUE in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("top", "--once", "--queue", "shop.shop"), 65, "there is no queue 'shop.shop'"),
        (("capacity", "--from-queue", QUEUE), 65, "nothing came into 'shop.ship'"),
        (("capacity", "--from-queue", "shop.shop"), 65, "there is no queue 'shop.shop'"),
        (("capacity", "--from-queue", QUEUE, "--window", "3s"), 2, "is not between 15s and 60m"),
        (("top", "--window", "1"), 2, "write a number with a unit"),
        (("top", "--interval", "1ms"), 2, "shorter than half a second"),
        (("top", "shop"), 78, "names no service"),
    ],
)
@pytest.mark.usefixtures("virtual_host")
def test_what_can_not_be_shown_has_a_sentence_and_a_code(
    rabbitmq: Broker, amqp_url: str, words: tuple[str, ...], code: int, said: str
) -> None:
    """65 is what isn't there, 2 is what can't be meant."""
    where = ("--broker", amqp_url, "--management", rabbitmq.management_url)
    found, text = run(*words, *where)
    assert said in text
    assert found == code


def test_a_user_who_may_not_enter_is_refused(virtual_host: VirtualHost) -> None:
    """With 77, and without the password."""
    url = virtual_host.url_for_stranger()
    code, said = run("top", "--once", "--queue", QUEUE, "--broker", url, "--management", NOBODY)
    assert code == 77
    assert "s3cr3t" not in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--arrivals", "120", "--service", "40ms"), 2, "such as '120/s'"),
        (("--arrivals", "120/s"), 2, "give --arrivals and --service"),
        (("--arrivals", "9/s", "--service", "1s", "--plot"), 2, "--peak '300/s for 10m'"),
        (("--arrivals", "9/s", "--service", "1s", "--target", "fast"), 2, "write 'p95 < 500ms'"),
        (("--arrivals", "9/s", "--service", "1s", "--target", "p95 < 2s"), 0, "held by 11 consum"),
        (
            ("--arrivals", "9/s", "--service", "1s", "--target", "p95 < 2s", "--consumers", "9"),
            1,
            "9 don't hold it",
        ),
        (
            ("--arrivals", "9/s", "--service", "1s", "--consumers", "12", "--peak", "30/s for 1m"),
            0,
            "worked off 6m after its end",
        ),
    ],
)
def test_capacity_is_answered_without_a_broker(
    words: tuple[str, ...], code: int, said: str
) -> None:
    """Or refused, with what to write instead."""
    found, text = run("capacity", *words)
    assert said in text
    assert found == code


def test_a_picture_that_can_not_be_written_is_said_so(tmp_path: Path) -> None:
    """With the code for it."""
    pytest.importorskip("matplotlib")
    peak = ("--consumers", "12", "--peak", "30/s for 1m", "--png", str(tmp_path / "no" / "x.png"))
    code, said = run("capacity", "--arrivals", "9/s", "--service", "1s", *peak)
    assert code == 73
    assert "can't be written" in said


@pytest.mark.usefixtures("virtual_host")
def test_the_screen_gives_the_terminal_back_as_it_was(rabbitmq: Broker, amqp_url: str) -> None:
    """It is drawn, listens to a key without Enter, and leaves nothing changed."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    before = termios.tcgetattr(theirs)
    where = ["--broker", amqp_url, "--management", rabbitmq.management_url]
    with subprocess.Popen(
        [sys.executable, "-m", "toolkit", "top", *where],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            **os.environ,
            "COLUMNS": "80",
            "TERM": "xterm",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    ) as process:
        try:
            shown = shown_until(ours, QUEUE.encode())
            os.write(ours, b"q")
            shown += shown_until(ours, LEFT)
            assert process.wait(timeout=STATISTICS) == 0
        finally:
            process.kill()  # if it hasn't ended by itself
    assert b"q quit" in shown
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


LEFT = b"\x1b[?1049l"  # xterm: back from the alternate screen


def shown_until(terminal: int, text: bytes) -> bytes:
    """What a program draws, up to this; it draws anew all the time."""
    shown, end = b"", time.monotonic() + STATISTICS
    while text not in shown:
        assert select.select([terminal], [], [], end - time.monotonic())[0], shown
        shown += os.read(terminal, 65_536)
    return shown
