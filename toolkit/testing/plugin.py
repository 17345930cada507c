"""What the toolkit adds to pytest: a RabbitMQ for the tests that ask for one.

Receives the command line and the fixtures' requests, hands tests brokers and virtual hosts. Nothing
is imported, looked for or started before a test needs it. Under xdist the controller looks, once,
when the first worker asks, so that all workers share what it finds.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from toolkit.testing.broker import Broker
    from toolkit.testing.broker.search import Finds
    from toolkit.testing.harness import ServiceHarness

_VARIABLE = "TOOLKIT_TEST_AMQP_URL"
_OPTION = "--broker"

_search = pytest.StashKey["Finds"]()
_desk_address = pytest.StashKey[tuple[int, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """See pytest."""
    group = parser.getgroup("rabbit-toolkit")
    group.addoption(
        _OPTION,
        default="memory",
        metavar="memory|local|docker|amqp://...",
        help="what a harness runs on: a broker in memory, a private node of the RabbitMQ on this "
        "machine, a container, or the broker at a URL. All but memory, the default, also say which "
        f"broker the fixture `rabbitmq` is; else that is the one at {_VARIABLE}, or a container, "
        "or a private node",
    )
    group.addoption(
        "--require-broker",
        action="store_true",
        help="fail, rather than skip, the tests that need a RabbitMQ if there is none",
    )
    group.addoption(
        "--install-broker",
        action="store_true",
        help="where there is no RabbitMQ, install it: with apt-get, as root",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what is no broker."""
    choice = config.getoption(_OPTION)
    if choice not in ("memory", "local", "docker") and not _is_url(choice):
        raise pytest.UsageError(
            f"{_OPTION}={choice}: choose memory, local (a private node of the RabbitMQ on this "
            "machine), docker (a container) or the URL of a broker (amqp://... or amqps://...)"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Make sure that somebody answers where the command line says so."""
    config = session.config
    if _is_worker(config) or config.option.collectonly or not _is_url(config.getoption(_OPTION)):
        return
    from toolkit.testing.broker import BrokerNotFoundError

    try:
        search_of(config).find(ways_to_rabbitmq(config))
    except BrokerNotFoundError as missing:
        raise pytest.UsageError(missing.tried[0]) from missing


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of an xdist run: tell a worker whom to ask for a broker."""
    config: pytest.Config = node.config
    if _desk_address not in config.stash:
        from toolkit.testing.broker.desk import Desk

        desk = Desk(search_of(config))
        config.add_cleanup(desk.close)
        config.stash[_desk_address] = desk.address
    node.workerinput["rabbit_toolkit_desk"] = config.stash[_desk_address]


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> "Broker":
    """A RabbitMQ that all tests share: don't stop it, and stay in a virtual host of your own."""
    return find_or_skip(request.config, ways_to_rabbitmq(request.config))


@pytest.fixture
def amqp_url(rabbitmq: "Broker") -> Iterator[str]:
    """The URL of a virtual host that only this test uses; it goes with the test (about 40 ms)."""
    with rabbitmq.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> "Callable[..., ServiceHarness]":
    """Puts services under test on the broker that `--broker` names; see `ServiceHarness`.

    In memory unless told otherwise; else in a virtual host that only this test uses.
    """
    from toolkit.testing.harness import ServiceHarness

    is_in_memory = request.config.getoption(_OPTION) == "memory"
    url = None if is_in_memory else request.getfixturevalue("amqp_url")
    return partial(ServiceHarness, broker=url)


def find_or_skip(config: pytest.Config, ways: list[str]) -> "Broker":
    """Return the broker that the first of these ways leads to, or end the test."""
    from toolkit.testing.broker import BrokerNotFoundError

    try:
        return search_of(config).find(ways)
    except BrokerNotFoundError as missing:
        reason = str(missing)
    if config.getoption("--require-broker"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def ways_to_rabbitmq(config: pytest.Config) -> list[str]:
    """Return the ways that the command line and the environment allow, the first one first."""
    from toolkit.testing.broker.finder import DOCKER, HERE, INSTALLING

    installing = [INSTALLING] if config.getoption("--install-broker") else []
    match config.getoption(_OPTION):
        case "memory":
            named = [_VARIABLE] if os.environ.get(_VARIABLE) else []
            return [*named, DOCKER, HERE, *installing]
        case "docker":
            return [DOCKER]
        case "local":
            return [HERE, *installing]
        case _:
            return [_OPTION]


def search_of(config: pytest.Config) -> "Finds":
    """Return the run's search for brokers; in a worker of xdist it goes through the controller."""
    if _search not in config.stash:
        config.stash[_search] = _remote_search(config) if _is_worker(config) else _own(config)
    return config.stash[_search]


def _remote_search(worker: pytest.Config) -> "Finds":
    from toolkit.testing.broker.desk import RemoteSearch

    return RemoteSearch(worker.workerinput["rabbit_toolkit_desk"])  # type: ignore[attr-defined]


def _own(config: pytest.Config) -> "Finds":
    from toolkit.testing.broker.finder import OWN_WAYS, named_by
    from toolkit.testing.broker.search import Search

    named = {_VARIABLE: os.environ.get(_VARIABLE, ""), _OPTION: config.getoption(_OPTION)}
    ways = OWN_WAYS | {source: named_by(source, url) for source, url in named.items()}
    search = Search(ways, _say_through(config))
    config.add_cleanup(search.close)
    return search


def _say_through(config: pytest.Config) -> Callable[[str], None]:
    """Return a way to talk to whoever waits, past pytest's capture."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(sentence: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(f"\n{sentence}", end="", flush=True)

    return say


def _is_url(choice: str) -> bool:
    return choice.startswith(("amqp://", "amqps://"))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
