"""Wrapping a step in others.

Receives the user's middlewares and the innermost step, hands one step to a pipeline, which
composes it once at start-up. Without middleware the step itself comes back: it costs nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

Step = Callable[[T], Awaitable[None]]
"""Something to be done with an incoming or an outgoing message."""

Middleware = Callable[[T, Step[T]], Awaitable[None]]
"""Does something around the next step, and calls it:

    async def timed(item, proceed):
        started = time.perf_counter()
        await proceed(item)
        log.info("took", seconds=time.perf_counter() - started)

What it doesn't pass on is not done, and counts as done.
"""


def compose(middlewares: Sequence[Middleware[T]], innermost: Step[T]) -> Step[T]:
    """One step out of many; the first middleware is the outermost."""
    step = innermost
    for middleware in reversed(middlewares):
        step = _around(middleware, step)
    return step


def _around(middleware: Middleware[T], proceed: Step[T]) -> Step[T]:
    return lambda item: middleware(item, proceed)
