"""The broker under every test that asks for one.

Receives a broker from `toolkit.testing.broker`, hands each test a virtual host of its own. Under
xdist the controller finds the broker and hands its URL to the workers, so all of them share one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import Any
from uuid import uuid4

import pytest

from toolkit.testing.broker import Broker, BrokerNotFoundError, find_broker

_URL_VARIABLES = ("TOOLKIT_TEST_AMQP_URL", "TOOLKIT_AMQP_URL")
_handed_over = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-broker",
        action="store_true",
        help="fail, rather than skip, the tests that need a RabbitMQ if there is none",
    )


def pytest_configure(config: pytest.Config) -> None:
    """In the controller of an xdist run: find the broker before the workers start."""
    if _is_worker(config) or not _has_workers(config) or config.option.collectonly:
        return
    found = ExitStack()
    config.add_cleanup(found.close)
    say = _say_through(config, "{}\n")
    try:
        broker = found.enter_context(find_broker(say, variables=_URL_VARIABLES))
    except BrokerNotFoundError as missing:
        if config.option.require_broker:
            raise pytest.UsageError(str(missing)) from missing
        config.stash[_handed_over] = {"broker_missing": str(missing)}
    else:
        config.stash[_handed_over] = {
            "broker_url": broker.url,
            "broker_management_url": broker.management_url,
            "broker_description": broker.description,
        }


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller: hand the broker to a worker that is about to start."""
    node.workerinput.update(node.config.stash.get(_handed_over, {}))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all users of the private broker in one worker, or each worker would start one."""
    for item in items:
        if "private_broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("private_broker"))
            item.add_marker(pytest.mark.private_broker)


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A RabbitMQ that all tests share: don't stop it, and stay in your virtual host."""
    with ExitStack() as stack:
        if _is_worker(request.config):
            yield _handed_to(request.config)
        else:
            yield _find(request.config, stack, variables=_URL_VARIABLES)


@pytest.fixture(scope="session")
def private_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A RabbitMQ that may be stopped, killed, restarted and commanded while a test has it."""
    with ExitStack() as stack:
        if not _is_worker(request.config):
            # With one test at a time, the shared broker is nobody else's meanwhile.
            shared: Broker = request.getfixturevalue("broker")
            if shared.is_ours:
                yield shared
                return
        yield _find(request.config, stack, variables=())


@pytest.fixture
def amqp_url(broker: Broker) -> Iterator[str]:
    """The URL of a virtual host that only this test uses; it goes with the test (about 40 ms)."""
    with broker.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url


@pytest.fixture
def private_amqp_url(private_broker: Broker) -> Iterator[str]:
    """The same, on the broker that may be stopped."""
    with private_broker.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url


def _find(config: pytest.Config, stack: ExitStack, *, variables: tuple[str, ...]) -> Broker:
    say = _say_through(config, "\n{}")
    try:
        return stack.enter_context(find_broker(say, variables=variables))
    except BrokerNotFoundError as missing:
        if config.option.require_broker:
            raise
        pytest.skip(str(missing))


def _handed_to(worker: pytest.Config) -> Broker:
    handed = worker.workerinput  # type: ignore[attr-defined] # xdist puts it there
    if "broker_url" not in handed:
        pytest.skip(handed["broker_missing"])
    return Broker(
        url=handed["broker_url"],
        management_url=handed["broker_management_url"],
        description=handed["broker_description"],
    )


def _say_through(config: pytest.Config, line: str) -> Callable[[str], None]:
    """Return a way to talk to whoever waits, past pytest's capture."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(sentence: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line.format(sentence), end="", flush=True)

    return say


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _has_workers(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None) or getattr(config.option, "tx", None))
