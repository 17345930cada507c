"""What the tests of operations share.

Receives a broker's URL from the fixtures above, hands tests their virtual host and a place outside
of any project.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.management import VirtualHost
from toolkit.testing.broker import Broker


@pytest.fixture
def virtual_host(rabbitmq: Broker, amqp_url: str) -> Iterator[VirtualHost]:
    """The test's own virtual host, as its administrator sees it."""
    with VirtualHost.of(rabbitmq, amqp_url) as virtual_host:
        yield virtual_host


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOOLKIT_AMQP_URL", raising=False)
    monkeypatch.delenv("TOOLKIT_MANAGEMENT_URL", raising=False)
    return tmp_path
