"""The finder takes the first way that works, tells why the others didn't, and cleans up."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from toolkit.testing.broker import (
    Broker,
    BrokerNotFoundError,
    BrokerNotOursError,
    find_broker,
)
from toolkit.testing.broker.found import WayClosedError, url_of_virtual_host
from toolkit.testing.broker.greeting import greet
from toolkit.testing.broker.keeper import Keeper
from toolkit.testing.broker.management import Management, ManagementError
from toolkit.testing.broker.ports import choose_free_ports
from toolkit.testing.broker.search import Say

# What RabbitMQ 4.0.5 sends first, cut down to the two properties that are read.
_PROPERTIES = b"\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x054.0.5"
_START = b"\x00\x0a\x00\x0a\x00\x09" + len(_PROPERTIES).to_bytes(4, "big") + _PROPERTIES
_GREETING = b"\x01\x00\x00" + len(_START).to_bytes(4, "big") + _START + b"\xce"


@contextmanager
def listener(answer: bytes) -> Iterator[int]:
    """Listen on a port, and say `answer` to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(8)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def closed_way(_: Say) -> NoReturn:
    raise WayClosedError("the bridge is out.")


@contextmanager
def open_way(_: Say) -> Iterator[Broker]:
    yield Broker(url="amqp://u:secret@there/", management_url="http://there", description="There")


def test_takes_the_next_way_where_one_is_closed_and_says_why() -> None:
    said: list[str] = []
    ways = [("Bridge", closed_way), ("Ford", open_way)]
    with find_broker(said.append, ways=ways) as broker:
        assert broker.description == "There"
    assert said == ["Bridge: the bridge is out.", "Broker: There."]


def test_lists_every_attempt_where_nothing_works() -> None:
    ways = [("Bridge", closed_way), ("Tunnel", closed_way)]
    with pytest.raises(BrokerNotFoundError, match=r"Bridge: the bridge is out\.\n  - Tunnel: "):
        find_broker(lambda _: None, ways=ways).__enter__()


def test_does_not_take_an_error_of_the_user_for_a_closed_way() -> None:
    ways = [("Ford", open_way), ("Ferry", open_way)]
    with (
        pytest.raises(WayClosedError, match="mine"),
        find_broker(lambda _: None, ways=ways),
    ):
        raise WayClosedError("mine")


def test_takes_the_first_variable_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with listener(_GREETING) as port:
        monkeypatch.delenv("FIRST_URL", raising=False)
        monkeypatch.setenv("SECOND_URL", f"amqp://u:secret@127.0.0.1:{port}/")
        with find_broker(lambda _: None, variables=("FIRST_URL", "SECOND_URL")) as broker:
            assert broker.description == f"RabbitMQ 4.0.5 at 127.0.0.1:{port}, as SECOND_URL says"
            assert not broker.is_ours
            with pytest.raises(BrokerNotOursError, match="isn't ours to stop"):
                broker.restart()


def test_never_shows_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with listener(_GREETING) as port:
        monkeypatch.setenv("SOME_URL", f"amqp://u:secret@127.0.0.1:{port}/")
        with find_broker(said.append, variables=("SOME_URL",)) as broker:
            said.append(repr(broker))
    assert said
    assert "secret" not in " ".join(said)


def test_hanging_up_without_a_greeting_is_no_broker() -> None:
    with listener(b"") as port, pytest.raises(ConnectionResetError, match="without an AMQP"):
        greet(f"amqp://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("amqp://u:p@h:5673/", "a", "amqp://u:p@h:5673/a"),
        ("amqp://u:p@h/old?heartbeat=5", "a/b c", "amqp://u:p@h/a%2Fb%20c?heartbeat=5"),
        ("amqps://h", "é", "amqps://h/%C3%A9"),
    ],
)
def test_leads_a_url_into_a_virtual_host(url: str, name: str, expected: str) -> None:
    assert url_of_virtual_host(url, name) == expected


def test_chosen_ports_are_different_and_free() -> None:
    ports = choose_free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_an_api_that_does_not_answer_is_named() -> None:
    (port,) = choose_free_ports(1)
    management = Management(f"http://127.0.0.1:{port}", credentials_of="amqp://u:secret@h/")
    with pytest.raises(ManagementError, match=rf"127\.0\.0\.1:{port} doesn't answer") as caught:
        management.ask_overview()
    assert "secret" not in str(caught.value)


def test_the_keeper_removes_processes_and_directories(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    with Keeper() as keeper:
        keeper.hold("directory", str(held))
        keeper.hold("process", sleeper.pid)
        assert sleeper.poll() is None
    assert sleeper.wait(5) == -9
    assert not held.exists()


def test_the_keeper_leaves_alone_what_was_released(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with Keeper() as keeper:
        keeper.hold("directory", str(kept))
        keeper.release("directory", str(kept))
    assert kept.exists()


_OWNER = """
import os, subprocess, sys
from toolkit.testing.broker.keeper import Keeper
with Keeper() as keeper:
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=sys.stdout)
    keeper.hold("process", sleeper.pid)
    os.kill(os.getpid(), 9)
"""


def test_the_keeper_outlives_an_owner_who_is_killed() -> None:
    owner = subprocess.run(
        [sys.executable, "-c", _OWNER],
        check=False,
        cwd=Path(__file__).parents[3],
        env=os.environ,
        stdout=subprocess.PIPE,
        timeout=30,  # the sleeper holds the pipe, so this ends only once it was killed
    )
    assert owner.returncode == -9


def test_a_virtual_host_lasts_as_long_as_its_context(rabbitmq: Broker) -> None:
    with rabbitmq.virtual_host("a/b") as url:
        assert url.endswith("/a%2Fb")
        assert greet(url).startswith("RabbitMQ ")
    management = Management(rabbitmq.management_url, credentials_of=rabbitmq.url)
    with pytest.raises(ManagementError, match="404"):
        management.delete_virtual_host("a/b")


def test_a_private_broker_keeps_port_and_data_across_a_restart(private_broker: Broker) -> None:
    private_broker.ctl("add_vhost", "survivor")
    private_broker.stop()
    with pytest.raises(OSError, match="refused"):
        greet(private_broker.url)
    private_broker.start()
    assert greet(private_broker.url).startswith("RabbitMQ ")
    assert "survivor" in private_broker.ctl("list_vhosts").split()
