"""Dead letters over their whole life, on each RabbitMQ: looked at, put back, and none lost."""

import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conformance.conftest import rabbits_for, virtual_host
from tests.conformance.tally import Record
from tests.hostile.management import VirtualHost, all_but
from tests.operations.graveyard import KINDS, Graveyard
from tests.outsider import eventually
from toolkit import Consumer, Context, Event, QueueOptions, Retry, Service
from toolkit.errors import ConnectionLostError
from toolkit.messages.outgoing import Publication
from toolkit.operations.dead_letters import copy
from toolkit.operations.dead_letters.act import Act, carry_out
from toolkit.operations.dead_letters.journal import Journal
from toolkit.operations.dead_letters.letter import Letter
from toolkit.operations.dead_letters.move import Moved
from toolkit.operations.dead_letters.place import Place, Request, looking
from toolkit.service.settings import Settings
from toolkit.testing.broker import Broker
from toolkit.transport.rabbitmq.holding import Holder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On each RabbitMQ: order and counts are the broker's doing."""
    if "rabbit_url" in metafunc.fixturenames:
        metafunc.parametrize("rabbit_url", rabbits_for(metafunc.config), indirect=True)


@pytest.fixture
def rabbit_url(request: pytest.FixtureRequest, record_property: Record) -> Iterator[str]:
    """A virtual host of the test's own, on each RabbitMQ."""
    yield from virtual_host(request.param, request.config, record_property)


@pytest.fixture
async def graves(rabbit_url: str, tmp_path: Path) -> AsyncIterator[Graveyard]:
    """Without a queue yet."""
    async with Graveyard.opened(rabbit_url, tmp_path) as graveyard:
        yield graveyard


async def letters_in(graves: Graveyard, *, most: int = 20_000) -> list[Letter]:
    """One look, in this process."""
    request = Request(queues=tuple(graves.dead), broker=graves.url, most=most)
    async with looking(Place.of(request), request) as (_, seen):
        return list(seen.letters)


async def test_looking_ten_times_changes_nothing(graves: Graveyard) -> None:
    """2,000 letters of 12 kinds in 5 queues: each message, its header bytes, the order and the
    counts are what they were, also where only the oldest few were looked at.
    """
    await graves.dig(*(f"shop.c{number}" for number in range(5)))
    await graves.bury(2_000)
    before = await graves.picture()
    assert [len(letters) for letters in before.values()] == [400] * 5
    for round_ in range(10):
        letters = await letters_in(graves, most=150 if round_ % 2 else 20_000)
        assert len({letter.fault.fingerprint for letter in letters}) == KINDS
    assert await graves.picture() == before


async def test_a_replay_reaches_the_queue_that_failed_and_nobody_else(graves: Graveyard) -> None:
    """Another subscriber of the event gets nothing; the letter is gone, its tries begin afresh."""
    await graves.dig("billing.charge", "mail.confirm")
    await graves.bury(4)
    said = await graves.command("replay", "m-0", "m-2")
    assert (said.code, said.err) == (
        2,
        "error: replay 2 letters? There is nobody to ask: say --yes; nothing was changed\n",
    )
    said = await graves.command("replay", "m-0", "m-2", "--yes")
    assert (said.code, said.err) == (0, "2 sent back\n")
    assert await graves.client.count("mail.confirm") == 0
    assert await graves.client.count("billing.charge.dead") == 0
    taken = await graves.client.take("billing.charge")
    assert (taken.message_id, taken.headers["replay-count"]) == ("m-0", 1)
    assert not {"attempts", "dead-reason", "error-stack", "failed-at"} & set(taken.headers)
    intent, result = graves.log
    assert (intent["act"], intent["intent"]["ids"]) == ("replay", ["m-0", "m-2"])
    assert result["result"]["moved"] == 2


async def test_a_replay_that_is_killed_goes_on_where_it_was(graves: Graveyard) -> None:
    """1,500 letters, killed in the middle: each arrives, none is lost, duplicates are no more than
    the second run said, and a consumer that remembers ids has every effect exactly once.
    """
    await graves.dig("billing.charge")
    await graves.bury(1_500)
    run = await graves.begun("replay", "--all", "--yes", "--rate", "1000")

    async def is_in_the_middle() -> bool:
        return await graves.client.count("billing.charge") > 300

    await eventually(is_in_the_middle)
    run.send_signal(signal.SIGKILL)
    await run.wait()
    await eventually(lambda: _is_given_back(graves))
    again = await graves.command("replay", "--all", "--yes")
    assert again.code == 0
    await graves.client.settled("billing.charge.dead", ready=0)
    count = await graves.client.count("billing.charge")
    with Inbox.at(graves.folder / "inbox.db") as inbox:
        charge = ChargeOnce(inbox)
        settings = Settings(amqp_url=graves.url, topology="off")
        async with Service("billing", consumers=[charge], settings=settings):
            await eventually(lambda: charge.handled == count)
        assert inbox.effects == 1_500
    assert count - 1_500 <= _said_to_be_uncertain(again.err) <= 256
    assert list((graves.folder / "toolkit").glob("replay-*")) == []


class Inbox:
    """The ids of what has been done, in one transaction with what was done."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE done (message_id TEXT PRIMARY KEY, order_id INTEGER)")

    @classmethod
    @contextmanager
    def at(cls, path: Path) -> Iterator["Inbox"]:
        """In a file of its own."""
        with closing(sqlite3.connect(path)) as database:
            yield cls(database)

    def charge(self, message_id: str, order_id: int) -> None:
        """Once for each id."""
        with self._database:
            self._database.execute(
                "INSERT OR IGNORE INTO done VALUES (?, ?)", (message_id, order_id)
            )

    @property
    def effects(self) -> int:
        """How many orders were charged, each as often as it was."""
        found: tuple[int] = self._database.execute("SELECT count(order_id) FROM done").fetchone()
        return found[0]


async def _is_given_back(graves: Graveyard) -> bool:
    """The broker has noticed that the process is gone."""
    there = await graves.client.count("billing.charge") + await graves.client.count(
        "billing.charge.dead"
    )
    return there >= 1_500


def _said_to_be_uncertain(text: str) -> int:
    for line in text.splitlines():
        if "may arrive twice" in line:
            return int(line.split()[0].replace(",", ""))
    return 0


async def test_what_was_confirmed_before_a_kill_is_acked_and_not_sent_again(
    graves: Graveyard,
) -> None:
    """The journal has it: two were confirmed, one may have been, one was never begun."""
    await graves.dig("billing.charge")
    await graves.bury(4)
    digests = [letter.digest() for letter in await letters_in(graves)]
    broker = await _address(graves)
    with Journal.open(graves.folder / "toolkit", "replay", broker) as journal:
        journal.intend([(digest, "m", "billing.charge.dead") for digest in digests[:3]])
        journal.confirm(digests[:2])
    said = await graves.command("replay", "--all", "--yes")
    assert said.err.splitlines() == [
        "2 sent back",
        "2 had been confirmed before a run was cut off: not sent again",
        "1 of these may arrive twice, under one id: a run was cut off before their confirm",
    ]
    assert await graves.taken("billing.charge", 2) == ["m-2", "m-3"]
    assert await graves.client.count("billing.charge.dead") == 0


async def _address(graves: Graveyard) -> str:
    async with Holder.connected(Place.of(Request(broker=graves.url)).options) as holder:
        return holder.address


@pytest.mark.parametrize(
    ("rights", "words", "said"),
    [
        ({"read": all_but("billing.charge.dead")}, ["groups"], "needs the `read` permission"),
        ({"write": all_but("amq.default")}, ["replay", "--all", "--yes"], "amq.default"),
        ({"configure": "^$"}, ["discard", "--all", "--yes"], "needs the `configure` permission"),
    ],
)
async def test_a_missing_permission_is_named_and_nothing_is_changed(
    rabbitmq: Broker,
    amqp_url: str,
    tmp_path: Path,
    rights: dict[str, str],
    words: list[str],
    said: str,
) -> None:
    """Whichever it is."""
    with VirtualHost.of(rabbitmq, amqp_url) as host:
        async with Graveyard.opened(amqp_url, tmp_path) as graves:
            await graves.dig("billing.charge")
            await graves.bury(3)
            before = await graves.picture()
            few = {"TOOLKIT_AMQP_URL": host.url_for(**rights)}
            ended = await graves.command(*words, variables=few)
            assert said in " ".join(ended.err.split())
            assert ended.code in (1, 77)
            assert "Traceback" not in ended.err
            assert await graves.picture() == before


class OrderPlaced(Event, name="orders.placed"):
    order_id: int


class Charge(Consumer[OrderPlaced]):
    retry = Retry(immediately=0)

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Nothing that can fail: what comes here could be read."""


class Once(Consumer[OrderPlaced]):
    retry = Retry(immediately=0, after=())

    def __init__(self) -> None:
        self.handled = 0

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """Fails the first time."""
        self.handled += 1
        if self.handled == 1:
            raise ValueError("not yet")


async def test_a_replay_is_handled_by_the_process_that_failed(graves: Graveyard) -> None:
    """It has seen the message before, and takes the replay for what it is: another try."""
    consumer = Once()
    service = Service("billing", consumers=[consumer], settings=Settings(amqp_url=graves.url))
    async with service:
        graves.queues.append("billing.once")
        await graves.client.publish(
            b'{"order_id":1}', exchange="events", routing_key="orders.placed", message_id="m-1"
        )
        await graves.client.settled("billing.once.dead", ready=1)
        assert (await graves.command("replay", "m-1")).code == 0
        await eventually(lambda: consumer.handled == 2)
    assert await graves.client.count("billing.once.dead") == 0


class ChargeOnce(Consumer[OrderPlaced]):
    """Charges an order once, however often it hears of it."""

    queue = QueueOptions(name="billing.charge")

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.handled = 0

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        """See above."""
        self.inbox.charge(context.message_id or "", message.order_id)
        self.handled += 1


async def test_a_malformed_message_comes_back_with_a_new_fault_record(graves: Graveyard) -> None:
    """It is never deleted, and shows that it was replayed; its bytes are what they were."""
    service = Service("billing", consumers=[Charge()], settings=Settings(amqp_url=graves.url))
    async with service:
        graves.queues.append("billing.charge")
        await graves.client.publish(
            b"\xff{not json", exchange="events", routing_key="orders.placed", message_id="bad"
        )
        await graves.client.settled("billing.charge.dead", ready=1)
        (first,) = await letters_in(graves)
        said = await graves.command("replay", "bad")
        assert (said.code, said.err) == (0, "1 sent back\n")

        async def is_back() -> bool:
            letters = await letters_in(graves)
            return bool(letters) and letters[0].replays == 1

        await eventually(is_back)
    (second,) = await letters_in(graves)
    assert (second.envelope.body, second.id) == (b"\xff{not json", "bad")
    assert second.fault.reason == "undecodable"
    assert second.failed_the_same_way
    assert first.at is not None
    assert second.at is not None
    assert second.at > first.at


async def test_a_letter_whose_queue_has_gone_stays_where_it_is(graves: Graveyard) -> None:
    """Named, with the queue; those that can go, go, and the rest keeps its order."""
    await graves.dig("billing.charge", "mail.confirm")
    await graves.bury(6)
    before = await graves.picture()
    await graves.client.channel.queue_delete("mail.confirm")
    said = await graves.command("replay", "--all", "--yes")
    assert said.code == 1
    assert "3 sent back" in said.err
    assert "3 could not be sent: there is no queue 'mail.confirm'" in said.err
    assert await graves.picture(["mail.confirm.dead"]) == {
        "mail.confirm.dead": before["mail.confirm.dead"]
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replay", "nobody", "--yes"], 65, "no letter with the id 'nobody'"),
        (["discard", "--group", "00", "--yes"], 65, "no group '00'"),
        (["replay", "--where", "error.typ == 1", "--yes"], 65, "did you mean error.type?"),
        (["replay"], 2, "which ones?"),
        (["replay", "--all", "--queue", "no.dead", "--yes"], 65, "queue 'no.dead' isn't there"),
        (["edit", "m-1", "--set", "total=1"], 78, "TOOLKIT_ALLOW_EDIT=true"),
        (["restore", "--all", "--yes"], 65, "billing.charge.dead.archive' isn't there"),
        (["replay", "--all", "--dry-run"], 0, "12 letters meant; nothing was changed"),
        (["replay", "--all", "--yes", "--audit", "/dev/null/audit"], 73, "nothing was changed"),
        (["import", "/nowhere.jsonl"], 65, "/nowhere.jsonl can't be read"),
    ],
)
async def test_what_can_not_be_done_is_said_and_nothing_is_changed(
    amqp_url: str, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """A sentence, an exit code, and every letter where it was."""
    async with Graveyard.opened(amqp_url, tmp_path) as graves:
        await graves.dig("billing.charge")
        await graves.bury(12)
        before = await graves.picture()
        ended = await graves.command(*words, queues=words[0] != "import")
        assert said in " ".join(ended.err.split())
        assert ended.code == code
        assert "Traceback" not in ended.err
        assert await graves.picture() == before
        assert graves.log == []


async def test_without_management_api_and_project_queues_must_be_named(
    amqp_url: str, tmp_path: Path
) -> None:
    """With the API, all queues whose name says so are found."""
    async with Graveyard.opened(amqp_url, tmp_path) as graves:
        await graves.dig("billing.charge")
        await graves.bury(2)
        nobody = {"TOOLKIT_MANAGEMENT_URL": "http://127.0.0.1:9"}
        ended = await graves.command("groups", queues=False, variables=nobody)
        assert ended.code == 69
        assert "name the queues with --queue" in ended.err
        ended = await graves.command("groups", "--json", variables=nobody)
        assert [group["count"] for group in json.loads(ended.out)["groups"]] == [1, 1]


async def test_what_is_discarded_can_be_restored(graves: Graveyard) -> None:
    """From an archive that forgets by and by, to the letter."""
    await graves.dig("billing.charge")
    await graves.bury(3, headers={"tenant": "a"})
    before = await graves.picture()
    said = await graves.command("discard", "--all", "--yes")
    assert (said.code, said.err) == (0, "3 discarded\n")
    assert await graves.client.count("billing.charge.dead") == 0
    said = await graves.command("restore", "m-1")
    assert (said.code, said.err) == (0, "1 restored\n")
    after = await graves.picture()
    assert after == {"billing.charge.dead": [before["billing.charge.dead"][1]]}


async def test_letters_travel_through_a_file(graves: Graveyard) -> None:
    """Bytes exact, whatever they are."""
    await graves.dig("billing.charge")
    odd = {
        "n": 1,
        "big": 2**40,
        "f": 1.5,
        "flag": True,
        "raw": bytearray(b"\xff\x00"),
        "deep": {"a": [1, {}]},
    }
    await graves.bury(3, body=b"\x00\xff", headers=odd)
    letters = await letters_in(graves)
    before = await graves.picture()
    file = graves.folder / "night.jsonl"
    assert (await graves.command("export", "-o", str(file))).code == 0
    reader = await graves.client.channel.get_queue("billing.charge.dead")
    await reader.purge()
    said = await graves.command("import", str(file), "--yes", queues=False)
    assert (said.code, said.err) == (0, "3 imported\n")
    assert await graves.picture() == before
    assert [one.digest() for one in await letters_in(graves)] == [one.digest() for one in letters]


async def test_an_edited_letter_is_a_new_message(amqp_url: str, tmp_path: Path) -> None:
    """Linked to the old one, which is gone once the broker has the copy."""
    async with Graveyard.opened(amqp_url, tmp_path) as graves:
        await graves.dig("billing.charge")
        await graves.bury(1)
        may = {"TOOLKIT_ALLOW_EDIT": "true"}
        said = await graves.command("edit", "m-0", "--set", "total=12", variables=may)
        assert said.code == 0
        taken = await graves.client.take("billing.charge")
        assert json.loads(taken.body) == {"order_id": 0, "total": 12}
        assert taken.headers["edited-from"] == "m-0" != taken.message_id
        assert await graves.client.count("billing.charge.dead") == 0


async def test_two_looks_at_once_are_not_confused(graves: Graveyard) -> None:
    """The second says that somebody holds letters; both give back what they held, in order."""
    await graves.dig("billing.charge")
    await graves.bury(20)
    before = await graves.picture()
    request = Request(queues=tuple(graves.dead), broker=graves.url)
    place = Place.of(request)
    async with looking(place, request) as (_, first), looking(place, request) as (_, second):
        assert (len(first.letters), len(second.letters)) == (20, 0)
        assert "is being looked at by 1 other" in second.notes[0]
    assert await graves.picture() == before


async def test_letters_of_a_queue_that_vanishes_meanwhile_are_still_sent(
    graves: Graveyard,
) -> None:
    """They are held, so they outlive it; the next look says that it isn't there."""
    await graves.dig("billing.charge")
    await graves.bury(3)
    request = Request(queues=tuple(graves.dead), broker=graves.url)
    act = Act(name="replay", what={}, audit=graves.folder / "log", journals=graves.folder)
    moved = Moved()
    async with looking(Place.of(request), request) as (holder, seen):
        await graves.client.channel.queue_delete("billing.charge.dead")
        await carry_out(act, seen.letters, replayed, holder, seen=seen, moved=moved)
    assert (moved.moved, moved.failed) == (3, [])
    assert await graves.taken("billing.charge", 3) == ["m-0", "m-1", "m-2"]
    said = await graves.command("replay", "--all", "--yes")
    assert said.code == 65
    assert "queue 'billing.charge.dead' isn't there; nothing was changed" in said.err


def replayed(letter: Letter, message_id: str) -> Publication:
    return copy.replayed(letter, message_id=message_id, now=datetime.now(UTC), to=None)


async def test_what_the_broker_took_back_is_not_sent(graves: Graveyard) -> None:
    """It closes the channel of who holds letters for too long; they are dead letters again."""
    await graves.dig("billing.charge")
    await graves.bury(3)
    before = await graves.picture()
    request = Request(queues=tuple(graves.dead), broker=graves.url)
    act = Act(name="replay", what={}, audit=graves.folder / "log", journals=graves.folder)
    async with looking(Place.of(request), request) as (holder, seen):
        await holder.settle()  # closes the channels
        with pytest.raises(ConnectionLostError, match="taken back"):
            await carry_out(act, seen.letters, replayed, holder, seen=seen, moved=Moved())
    assert await graves.picture() == before
    assert await graves.client.count("billing.charge") == 0


async def test_a_letter_is_shown_as_a_person_reads_it(amqp_url: str, tmp_path: Path) -> None:
    """And nothing that a stranger wrote into it steers the terminal."""
    async with Graveyard.opened(amqp_url, tmp_path) as graves:
        await graves.dig("billing.charge")
        await graves.bury(1, headers={"evil": "\x1b[2Jgone"})
        shown = (await graves.command("show", "m-0")).out
        assert shown.startswith("orders.placed m-0 in billing.charge.dead\n")
        assert "  replay goes to  billing.charge\n" in shown
        assert '    "order_id": 0,' in shown
        assert "\nstack\n  Traceback (most recent call last):\n" in shown
        assert "\x1b" not in shown
        assert r"\x1b[2Jgone" in shown
        listed = (await graves.command("list", "--where", "message.total == 0")).out
        assert "  m-0  2026-11-24 00:00:00  orders.placed  shop.errors.Error0: it broke" in listed


SERVICE = """
from toolkit import Consumer, Context, Event, Service

class OrderPlaced(Event, name="orders.placed"):
    total: int

class Charge(Consumer[OrderPlaced]):
    async def handle(self, message: OrderPlaced, context: Context) -> None: ...

service = Service("billing", consumers=[Charge()])
"""


async def test_a_project_knows_its_queues_and_its_contracts(amqp_url: str, tmp_path: Path) -> None:
    """Only its own are looked at, its log is kept, and an edit has to please the contract."""
    (tmp_path / "pyproject.toml").write_text('[tool.toolkit]\nservices = "night"\n')
    package = tmp_path / "night" / "billing"
    package.mkdir(parents=True)
    (package / "service.py").write_text(SERVICE)
    async with Graveyard.opened(amqp_url, tmp_path) as graves:
        await graves.dig("billing.charge", "other.consumer")
        await graves.bury(2)
        nobody = {"TOOLKIT_MANAGEMENT_URL": "http://127.0.0.1:9", "TOOLKIT_ALLOW_EDIT": "true"}
        said = await graves.command("groups", queues=False, variables=nobody)
        assert said.out.startswith("1 dead letter, 1 group, 1 queue")
        said = await graves.command(
            "edit", "m-0", "--set", "total=many", queues=False, variables=nobody
        )
        assert said.code == 65
        assert "not a OrderPlaced: total" in said.err
        assert (await graves.command("replay", "m-0", queues=False, variables=nobody)).code == 0
        assert (tmp_path / ".toolkit" / "audit.jsonl").exists()
