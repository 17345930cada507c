"""What every test may ask for beside what the toolkit's own pytest plugin has.

Receives the broker that all tests share from there, hands out one that may be stopped and killed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

import pytest

from toolkit.testing import ServiceHarness
from toolkit.testing.broker import Broker, BrokerNotFoundError, find_broker
from toolkit.testing.broker.finder import INSTALLING, OWN_WAYS
from toolkit.testing.broker.search import Way

pytest_plugins = ["pytester", "tests.conformance.tally"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all users of the private broker in one worker, or each worker would start one."""
    for item in items:
        if "private_broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("private_broker"))
            item.add_marker(pytest.mark.private_broker)


@pytest.fixture(params=["memory", "rabbitmq"])
def harness(request: pytest.FixtureRequest) -> Callable[..., ServiceHarness]:
    """The plugin's, on either broker: what holds in memory holds on RabbitMQ, unchanged."""
    on_rabbitmq = request.param == "rabbitmq"
    url = request.getfixturevalue("amqp_url") if on_rabbitmq else None
    return partial(ServiceHarness, broker=url)


@pytest.fixture(scope="session")
def private_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A RabbitMQ that may be stopped, killed, restarted and commanded while a test has it."""
    # With one test at a time, the shared broker is nobody else's meanwhile.
    shared: Broker = request.getfixturevalue("rabbitmq")
    if shared.is_ours:
        yield shared
        return
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(find_broker(print, ways=_own_ways(request.config)))
        except BrokerNotFoundError as missing:
            if request.config.option.require_broker:
                raise
            pytest.skip(str(missing))
        yield broker


def _own_ways(config: pytest.Config) -> list[tuple[str, Way]]:
    may_install = config.getoption("--install-broker")
    return [(name, way) for name, way in OWN_WAYS.items() if name != INSTALLING or may_install]


@pytest.fixture
def private_amqp_url(private_broker: Broker) -> Iterator[str]:
    """The URL of a virtual host that only this test uses, on the broker that may be stopped."""
    with private_broker.virtual_host(f"test-{uuid4().hex[:12]}") as url:
        yield url
