"""`toolkit publish`: held against the contract, confirmed, and counted."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.development.workshop import Workshop
from tests.hostile.management import VirtualHost
from tests.operations.typed import Terminal
from tests.outsider import Outsider, eventually, outside
from toolkit.messages.envelope import Envelope
from toolkit.operations.record import Sighting, line_of

QUEUE = "shop.take"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A service that takes `shop.placed`."""
    workshop = Workshop(tmp_path)
    workshop.write("services/__init__.py", "")
    workshop.write_service("shop")
    return tmp_path


@pytest.fixture
def terminal(project: Path, amqp_url: str) -> Terminal:
    """In the project, with the test's broker."""
    return Terminal(project, amqp_url)


async def listen(client: Outsider) -> None:
    """Somebody who wants the event."""
    channel = client.channel
    await channel.declare_exchange("events", "topic", durable=True)
    queue = await channel.declare_queue(QUEUE)
    await queue.bind("events", "shop.placed")


async def test_a_message_is_confirmed_and_its_id_printed(terminal: Terminal, amqp_url: str) -> None:
    """It is what a producer of the project would have sent."""
    async with outside(amqp_url) as client:
        await listen(client)
        ended = await terminal.run("publish", "shop.placed", '{"number": 7}', "--header", "a=b")
        found = await client.take(QUEUE)
    assert ended.code == 0
    assert found.body == b'{"number":7}'
    assert ended.output.strip() == found.message_id
    assert (found.type, found.headers["a"]) == ("shop.placed", "b")


async def test_a_class_and_standard_input_will_do_too(terminal: Terminal, amqp_url: str) -> None:
    """For long bodies, and for pipes."""
    async with outside(amqp_url) as client:
        await listen(client)
        assert (await terminal.run("publish", "Placed", "-", typed=b'{"number": 1}')).code == 0
        assert await client.count(QUEUE) == 1


async def test_each_of_many_has_an_id_of_its_own(terminal: Terminal, amqp_url: str) -> None:
    """They are counted."""
    async with outside(amqp_url) as client:
        await listen(client)
        ended = await terminal.run(
            "publish", "shop.placed", '{"number": 1}', "--count", "300", "--json"
        )
        assert json.loads(ended.output)["confirmed"] == 300
        assert await client.count(QUEUE) == 300
        ids = {(await client.take(QUEUE)).message_id for _ in range(20)}
    assert len(ids) == 20


async def test_nothing_is_sent_before_all_of_a_file_is_known_to_be_fit(
    terminal: Terminal, amqp_url: str
) -> None:
    """Each line that isn't is named, with the field."""
    lines = ['{"number": 1}', "", '{"number": "x"}', "{", '{"numbr": 1}']
    (terminal.folder / "orders.jsonl").write_text("\n".join(lines))
    async with outside(amqp_url) as client:
        await listen(client)
        ended = await terminal.run("publish", "shop.placed", "--from", "orders.jsonl")
        assert await client.count(QUEUE) == 0
    assert ended.code == 65
    for place, said in (("3", "number"), ("4", "JSON"), ("5", "number: Field required")):
        assert any(f"orders.jsonl:{place}: " in x and said in x for x in ended.errors.splitlines())


async def test_a_file_is_sent_in_its_order(terminal: Terminal, amqp_url: str) -> None:
    """From the first line to the last."""
    lines = "".join(f'{{"number": {number}}}\n' for number in range(100))
    (terminal.folder / "orders.jsonl").write_text(lines)
    async with outside(amqp_url) as client:
        await listen(client)
        ended = await terminal.run("publish", "shop.placed", "--from", "orders.jsonl")
        found = [json.loads((await client.take(QUEUE)).body)["number"] for _ in range(100)]
    assert found == list(range(100))
    assert ended.output.startswith("100 of 100 confirmed")


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--require-listener",), 1)])
async def test_an_event_that_nobody_wants_is_told_of(
    terminal: Terminal, amqp_url: str, more: tuple[str, ...], code: int
) -> None:
    """An error only for who asked for that."""
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        ended = await terminal.run("publish", "shop.placed", '{"number": 1}', *more)
    assert ended.code == code
    assert "nobody listens" in ended.errors or "no queue is bound" in ended.errors


def saved(exchange: str, key: str, body: bytes, **headers: object) -> str:
    """A line as `toolkit tap --save` writes it."""
    envelope = Envelope(body, type=key, headers=dict(headers))
    return line_of(Sighting(exchange, key, envelope, datetime.now(UTC))) + "\n"


async def test_a_saved_command_without_a_handler_is_an_error(
    terminal: Terminal, amqp_url: str
) -> None:
    """As any other command."""
    (terminal.folder / "saved.jsonl").write_text(saved("commands", "shop.ship", b"{}"))
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("commands", "direct", durable=True)
        ended = await terminal.run("publish", "--from", "saved.jsonl")
    assert ended.code == 1
    assert "no queue is bound" in ended.errors


async def test_a_saved_message_is_held_against_the_contract_that_is_named(
    terminal: Terminal, amqp_url: str
) -> None:
    """Without a name it may be somebody else's, or wrong on purpose, and goes out as it came."""
    lines = [
        saved("events", "shop.placed", b'{"number": 1}'),
        saved("events", "shop.placed", b'{"number": []}'),
        saved("events", "other.said", b"{}"),
    ]
    (terminal.folder / "saved.jsonl").write_text("".join(lines))
    async with outside(amqp_url) as client:
        await listen(client)
        refused = await terminal.run("publish", "shop.placed", "--from", "saved.jsonl")
        assert await client.count(QUEUE) == 0
        taken = await terminal.run("publish", "--from", "saved.jsonl")
        assert await client.count(QUEUE) == 2
    assert (refused.code, taken.code) == (65, 0)
    assert "saved.jsonl:2: not a Placed: number" in refused.errors
    assert "saved.jsonl:3: it is 'other.said', not 'shop.placed'" in refused.errors
    assert "saved.jsonl:1:" not in refused.errors


async def test_headers_of_the_brokers_own_are_not_sent_again(
    terminal: Terminal, amqp_url: str
) -> None:
    """They would be acted on: older brokers drop a copy with an `x-death` as a cycle."""
    line = saved("events", "shop.placed", b"{}", CC=["x"], tenant="blue", **{"x-death": []})
    (terminal.folder / "saved.jsonl").write_text(line)
    async with outside(amqp_url) as client:
        await listen(client)
        assert (await terminal.run("publish", "--from", "saved.jsonl")).code == 0
        assert (await client.take(QUEUE)).headers == {"tenant": "blue"}


async def test_ctrl_c_says_how_many_are_confirmed(terminal: Terminal, amqp_url: str) -> None:
    """As many as are in the queue."""
    async with outside(amqp_url) as client:
        await listen(client)
        given = ("publish", "shop.placed", '{"number": 1}', "--count", "9999", "--rate", "20")
        async with terminal.running(*given, "--json") as publishing:

            async def has_begun() -> bool:
                return await client.count(QUEUE) > 2

            await eventually(has_begun, within=30)
            ended = await publishing.interrupted()
        assert ended.code == 130
        assert json.loads(ended.output)["confirmed"] == await client.count(QUEUE)


async def test_a_folder_of_the_project_will_do(terminal: Terminal, amqp_url: str) -> None:
    """What services print while they are imported isn't in the way."""
    service = terminal.folder / "services/shop/service.py"
    service.write_text(service.read_text() + "\nprint('hello')\n")
    terminal.folder = service.parent
    async with outside(amqp_url) as client:
        await listen(client)
        ended = await terminal.run("publish", "shop.placed", '{"number": 1}', "--json")
    assert json.loads(ended.output)["confirmed"] == 1


async def test_what_is_wrong_is_said_and_what_to_do(
    terminal: Terminal, virtual_host: VirtualHost, project: Path
) -> None:
    """With an exit code for each kind."""
    given = ("publish", "shop.placed", '{"number": 1}')
    cases: list[tuple[Terminal, tuple[str, ...], int, str]] = [
        (terminal, ("publish", "shop.placd", "{}"), 65, "did you mean shop.placed"),
        (terminal, ("publish", "shop.placed", '{"number": []}'), 65, "number"),
        (terminal, ("publish", "shop.placed"), 2, "--from"),
        (terminal, (*given, "--rate", "fast"), 78, "is no rate"),
        (terminal, (*given, "--header", "x"), 78, "--header NAME=VALUE"),
        (terminal, ("publish", "--from", "nowhere.jsonl"), 65, "nowhere.jsonl can't be read"),
        (terminal, (*given, "--broker", "amqp://127.0.0.1:1/"), 69, "from --broker"),
        (terminal, (*given, "--broker", "memory://"), 78, "lives in another process"),
        (terminal, (*given, "--broker", _wrong(virtual_host.url_for())), 77, "password"),
        (terminal, (*given, "--broker", f"{virtual_host.url_for()}-not"), 77, "add_vhost"),
    ]
    for where, words, code, said in cases:
        ended = await where.run(*words)
        assert (ended.code, said in ended.errors) == (code, True), f"{words}: {ended}"
        assert "Traceback" not in ended.errors


def _wrong(url: str) -> str:
    scheme, _, rest = url.partition("://")
    user, _, _ = rest.partition(":")
    return f"{scheme}://{user}:wrong@{rest.partition('@')[2]}"


async def test_the_project_s_own_fault_is_shown_in_its_own_lines(terminal: Terminal) -> None:
    """And nothing is sent."""
    (terminal.folder / "services/shop/service.py").write_text("1 / 0\ndef make_service(): ...\n")
    ended = await terminal.run("publish", "shop.placed", '{"number": 1}')
    assert ended.code == 78
    assert "service.py" in ended.errors
    assert "ZeroDivisionError" in ended.errors
    assert "importlib" not in ended.errors
