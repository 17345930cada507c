"""Which broker the demonstration plays on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from demo.broker import found
from toolkit.testing.broker import Broker, BrokerNotFoundError
from toolkit.testing.broker.found import WayClosedError
from toolkit.testing.broker.management import ManagementError
from toolkit.testing.broker.search import Say


def closed_way(_: Say) -> NoReturn:
    raise WayClosedError("the bridge is out.")


@contextmanager
def way_without_management(_: Say) -> Iterator[Broker]:
    """A broker of ours on which no virtual host can be made."""
    yield Broker(
        url="amqp://127.0.0.1:1/",
        management_url="http://127.0.0.1:1",
        description="A broker",
        control=NoControl(),
    )


class NoControl:
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def ctl(self, *arguments: str) -> str:
        return ""


@pytest.fixture(autouse=True)
def _no_broker_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOOLKIT_AMQP_URL", raising=False)


def test_without_a_rabbitmq_it_is_one_in_memory_and_the_reasons_are_told() -> None:
    """All of them, and what happens instead."""
    said: list[str] = []
    ways = [("Bridge", closed_way), ("Tunnel", closed_way)]

    with found(None, said.append, ways=ways) as url:
        assert url == "memory://"

    *reasons, sentence = said
    assert reasons == ["Bridge: the bridge is out.", "Tunnel: the bridge is out."]
    assert "No RabbitMQ is to be had here" in sentence
    assert "in memory" in sentence


def test_memory_is_had_for_the_asking() -> None:
    """Nothing else is looked for."""
    said: list[str] = []
    with found("memory", said.append, ways=[("Bridge", closed_way)]) as url:
        assert url == "memory://"
    assert said == ["Broker: one in memory, in this process."]


def test_the_environment_may_ask_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address that every service takes."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "memory://")
    with found(None, lambda _: None, ways=[("Bridge", closed_way)]) as url:
        assert url == "memory://"


def test_the_command_line_outdoes_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it asks for is not replaced."""
    monkeypatch.setenv("TOOLKIT_AMQP_URL", "memory://")
    with (
        pytest.raises(BrokerNotFoundError, match=r"127\.0\.0\.1:1"),
        found("amqp://127.0.0.1:1/", lambda _: None),
    ):
        pass


def test_a_broker_of_ours_that_fails_is_no_reason_to_play_in_memory() -> None:
    """It was to be had: what is wrong with it is for somebody to mend."""
    ways = [("Ford", way_without_management)]
    with pytest.raises(ManagementError), found(None, lambda _: None, ways=ways):
        pass


def test_what_was_found_is_a_virtual_host_of_its_own(rabbitmq: Broker) -> None:
    """So that the story disturbs nobody who uses that broker."""

    @contextmanager
    def way(_: Say) -> Iterator[Broker]:
        yield rabbitmq

    with found(None, lambda _: None, ways=[("Ford", way)]) as url:
        assert "/demo-" in url
