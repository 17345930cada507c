"""A broker behind a socket for each test, in the test's own loop."""

from collections.abc import AsyncIterator

import pytest

from toolkit.embedded import EmbeddedBroker


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    """Listening on a free port."""
    async with EmbeddedBroker() as listening:
        yield listening
