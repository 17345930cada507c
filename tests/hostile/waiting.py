"""Waiting for what nothing announces.

Receives a question from a test, hands the answer back once there is one.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL = 0.02


async def answer(ask: Callable[[], T | None], *, within: float = 10.0) -> T:
    """Ask until there is an answer. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while (found := ask()) is None:
            await asyncio.sleep(_POLL)
    return found


async def eventually(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Ask until it is true. Raises TimeoutError."""
    await answer(lambda: condition() or None, within=within)


async def glimpse(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Ask in every turn of the loop: what is true for a moment only is seen too.

    Raises TimeoutError.
    """
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0)
