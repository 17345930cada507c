"""`toolkit tap`: sees all, disturbs nobody."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.hostile.management import VirtualHost
from tests.hostile.waiting import eventually
from tests.hostile.wire import Wire
from tests.operations.shop import Placed, Ship, Shop
from tests.operations.typed import Terminal
from tests.outsider import outside


@pytest.fixture
def terminal(nowhere: Path, amqp_url: str) -> Terminal:
    """Outside of any project."""
    return Terminal(nowhere, amqp_url)


async def test_a_tap_takes_nothing_from_anybody(
    terminal: Terminal, amqp_url: str, virtual_host: VirtualHost
) -> None:
    """The service handles everything; what is on the broker is the same before and after."""
    shop = Shop(amqp_url)
    async with shop.service:
        before = virtual_host.everything()
        async with terminal.running("tap", "shop.*", "--json") as tap:
            await tap.says("connected")
            for number in range(1, 21):
                await shop.messages.placed(Placed(number=number))
            for number in range(1, 21):
                seen = json.loads(await tap.prints("shop.placed"))
                assert json.loads(seen["body"]) == {"number": number}
            assert (await tap.interrupted()).code == 0
        await eventually(lambda: sorted(shop.send_off.done) == list(range(1, 21)))
        await eventually(lambda: virtual_host.everything() == before)


async def test_nothing_is_left_of_a_tap_that_is_killed(
    terminal: Terminal, amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Its queue goes with its connection."""
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        before = virtual_host.everything()
        async with terminal.running("tap") as tap:
            await tap.says("connected")
            await tap.killed()
        await eventually(lambda: virtual_host.everything() == before)


async def test_what_was_saved_is_published_as_it_was(terminal: Terminal, amqp_url: str) -> None:
    """To the byte, with its properties and headers, to where it went; text or not."""
    bodies = [b'{"number": 1}', b"\xff\x00not text", b""]
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap", "--save", "saved.jsonl", "--limit", "3") as tap:
            await tap.says("connected")
            for number, body in enumerate(bodies):
                await client.publish(
                    body,
                    exchange="events",
                    routing_key="shop.placed",
                    message_id=f"m-{number}",
                    priority=3,
                    headers={
                        "tenant": "blue",
                        "raw": bytearray(b"\x00\xff"),
                        "nested": {"a": [1, 2.5]},
                    },
                )
            assert (await tap.ends()).code == 0
        queue = await client.channel.declare_queue("copies")
        await queue.bind("events", "shop.*")
        assert (await terminal.run("publish", "--from", "saved.jsonl")).code == 0
        found = [await client.take("copies") for _ in bodies]
    assert [one.body for one in found] == bodies
    assert [one.message_id for one in found] == ["m-0", "m-1", "m-2"]
    for one in found:
        assert one.priority == 3
        assert one.headers == {
            "tenant": "blue",
            "raw": bytearray(b"\x00\xff"),
            "nested": {"a": [1, 2.5]},
        }


async def test_only_what_is_asked_for_is_shown(terminal: Terminal, amqp_url: str) -> None:
    """All conditions have to hold."""
    conditions = ("--type", "shop.placed", "--header", "tenant=blue", "--body", "lines.0.count=2")
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap", "#", *conditions, "--limit", "1", "--json") as tap:
            await tap.says("connected")

            async def say(body: bytes, tenant: str, kind: str) -> None:
                await client.publish(
                    body,
                    exchange="events",
                    routing_key="x.y",
                    type=kind,
                    headers={"tenant": tenant},
                )

            wanted = b'{"lines": [{"count": 2}]}'
            await say(wanted, "red", "shop.placed")
            await say(wanted, "blue", "shop.cancelled")
            await say(b'{"lines": []}', "blue", "shop.placed")
            await say(b"no json", "blue", "shop.placed")
            await say(wanted, "blue", "shop.placed")
            ended = await tap.ends()
    assert [json.loads(line)["body"] for line in ended.output.splitlines()] == [wanted.decode()]


async def test_a_tap_whose_connection_is_cut_looks_on(
    terminal: Terminal, amqp_url: str, virtual_host: VirtualHost
) -> None:
    """It says that it has missed something."""
    url = virtual_host.url_for()
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap", "--broker", url, "--json") as tap:
            await tap.says("connected")
            virtual_host.kill_connections(url)
            await tap.says("connection is lost")
            await tap.says("connected")
            await client.publish(b"{}", exchange="events", routing_key="shop.placed")
            await tap.prints("shop.placed")


async def test_a_broker_that_comes_back_empty_is_tapped_once_there_is_something(
    terminal: Terminal, amqp_url: str, virtual_host: VirtualHost
) -> None:
    """A tap that has begun ends when it is told to, and not before."""
    url = virtual_host.url_for()
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap", "--broker", url, "--json") as tap:
            await tap.says("connected")
            virtual_host.delete_exchange("events")
            virtual_host.kill_connections(url)
            await tap.says("there is no exchange 'events'")
            await client.channel.declare_exchange("events", "topic", durable=True)
            await tap.says("connected")
            await client.publish(b"{}", exchange="events", routing_key="shop.placed")
            await tap.prints("shop.placed")
            assert [kind for kind, *_ in virtual_host.everything()].count("queues") == 1


async def test_whatever_a_stranger_sends_is_shown_and_does_nothing(
    terminal: Terminal, amqp_url: str
) -> None:
    """No order to the terminal, no text that can't be written, no body that is nested too deep."""
    late = b"\x01aT" + b"\xff" * 8  # a moment after the year 9999
    strange: list[tuple[bytes, dict[str, bytes], bytes]] = [
        (b"red.\x1b[31m\xff", {}, b'{"a": "\xc2\x9b31m"}'),
        (b"lone", {"message_id": b"\x01\xff"}, b'{"a": "\\ud800"}'),
        (b"deep", {}, b"[" * 50_000),
        (b"late", {"headers": len(late).to_bytes(4, "big") + late}, b"{}"),
    ]
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap", "--save", "saved.jsonl", "--limit", "4") as tap:
            await tap.says("connected")
            with Wire.connected(amqp_url) as wire:
                for key, properties, body in strange:
                    wire.publish("events", key, properties, body)
            ended = await tap.ends()
        queue = await client.channel.declare_queue("copies")
        await queue.bind("events", "#")
        assert (await terminal.run("publish", "--from", "saved.jsonl")).code == 0
    with Wire.connected(amqp_url) as wire:
        copies = [wire.get("copies") for _ in strange]
    assert [copy and copy.body for copy in copies] == [body for _, _, body in strange]
    assert copies[3] is not None
    assert copies[3].headers == {b"a": late[2:]}
    assert all(text.isprintable() for text in ended.output.splitlines())
    assert [word for word in ("red.", "lone", "deep", "late") if word not in ended.output] == []


async def test_a_slow_reader_never_fills_the_broker(
    terminal: Terminal, amqp_url: str, virtual_host: VirtualHost
) -> None:
    """Its queue says how many may wait, and that the oldest goes."""
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        async with terminal.running("tap") as tap:
            await tap.says("connected")
            (queue,) = [entry for entry in virtual_host.everything() if entry[0] == "queues"]
    assert "'x-max-length': 10000" in str(queue)
    assert "drop-head" in str(queue)


async def test_commands_are_tapped_by_their_names(amqp_url: str, tmp_path: Path) -> None:
    """Those that the project knows; their exchange has no patterns."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.toolkit.service.shop]\ntarget = "tests.operations.shop:make_shop"\n'
    )
    shop = Shop(amqp_url)
    async with shop.service:
        async with Terminal(tmp_path, amqp_url).running("tap", "shop.#", "--commands") as tap:
            await tap.says("connected")
            await shop.messages.ship(Ship(number=5))
            await tap.prints("shop.ship")
        await eventually(lambda: shop.send_off.done == [5])


async def test_what_is_wrong_is_said(terminal: Terminal, nowhere: Path) -> None:
    """With an exit code for each kind; no traceback for any."""
    cases = [
        (("tap",), 1, "there is no exchange 'events'"),
        (("tap", "--broker", "amqp://127.0.0.1:1/"), 69, "no broker"),
        (("tap", "--save", "/nowhere/x.jsonl"), 73, "can't be written"),
        (("tap", "--for", "soon"), 2, "is not a duration"),
        (("tap", "--header", "x"), 78, "--header NAME=VALUE"),
        (("tap", "--commands"), 78, "go to the project"),
        (("tap", "--broker", "memory://"), 78, "lives in another process"),
    ]
    for words, code, said in cases:
        ended = await terminal.run(*words)
        assert (ended.code, said in ended.errors) == (code, True), f"{words}: {ended}"
        assert "Traceback" not in ended.errors


async def test_a_pipe_that_closes_ends_it(terminal: Terminal, amqp_url: str) -> None:
    """`toolkit tap | head -1` doesn't hang."""
    async with outside(amqp_url) as client:
        await client.channel.declare_exchange("events", "topic", durable=True)
        queue = await client.channel.declare_queue("somebody", exclusive=True)
        await queue.bind("events", "#")
        pipe = await asyncio.create_subprocess_shell(
            "python -m toolkit tap --json | head -1",
            cwd=terminal.folder,
            env=terminal.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert pipe.stderr is not None
        await pipe.stderr.readuntil(b"connected")
        async with asyncio.timeout(30):
            while pipe.returncode is None:
                await client.publish(b"{}", exchange="events", routing_key="shop.placed")
                await asyncio.sleep(0.05)
            errors = await pipe.stderr.read()
    assert b"Traceback" not in errors
