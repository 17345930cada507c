"""What every conformance case needs: an outsider in the test's own virtual host."""

from collections.abc import AsyncIterator

import pytest

from tests.outsider import Outsider, outside


@pytest.fixture
async def outsider(amqp_url: str) -> AsyncIterator[Outsider]:
    """Another client of the same virtual host."""
    async with outside(amqp_url) as found:
        yield found
