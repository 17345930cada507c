"""What the fault tests share.

Receives the places that can be had on this machine, hands tests a ground in each of them.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.ground import Ground
from tests.faults.place import CLUSTER, SINGLE, PlaceNotFoundError, place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever has a ground has a broker of its own, and the machine to itself."""
    for item in items:
        if {"ground", "cluster"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("private_broker"))
            item.add_marker(pytest.mark.private_broker)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SINGLE)
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """A broker of one node that may be killed: one of each version that can be had."""
    try:
        async with place(request.param, print) as ground:
            yield ground
    except PlaceNotFoundError as missing:
        pytest.skip(f"{request.param}: {missing}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Ground]:
    """Three nodes, any of which may be killed."""
    try:
        async with place(CLUSTER, print) as ground:
            yield ground
    except PlaceNotFoundError as missing:
        pytest.skip(f"{CLUSTER}: {missing}")
