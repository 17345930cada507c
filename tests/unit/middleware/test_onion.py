"""Middleware wraps a step; the first is the outermost, and none costs nothing."""

import pytest

from toolkit.middleware import Middleware, Step, compose

Line = list[str]


async def innermost(line: Line) -> None:
    line.append("innermost")


def layer(name: str) -> Middleware[Line]:
    async def around(line: Line, proceed: Step[Line]) -> None:
        line.append(f"{name} in")
        await proceed(line)
        line.append(f"{name} out")

    return around


async def test_the_first_middleware_is_the_outermost() -> None:
    """As they are read, so they run."""
    line: Line = []
    await compose([layer("first"), layer("second")], innermost)(line)
    assert line == ["first in", "second in", "innermost", "second out", "first out"]


def test_without_middleware_the_step_itself_comes_back() -> None:
    """A message pays nothing for what isn't there."""
    assert compose([], innermost) is innermost


async def test_a_middleware_may_end_the_walk() -> None:
    """What doesn't proceed goes no further in; what is outside of it goes on."""

    async def stop(line: Line, proceed: Step[Line]) -> None:
        line.append("stopped")

    line: Line = []
    await compose([layer("outer"), stop, layer("inner")], innermost)(line)
    assert line == ["outer in", "stopped", "outer out"]


async def test_an_error_passes_through_every_layer() -> None:
    """Each may look at it, none swallows it unasked."""

    async def fail(line: Line) -> None:
        raise LookupError("no such order")

    async def watch(line: Line, proceed: Step[Line]) -> None:
        try:
            await proceed(line)
        except LookupError as error:
            line.append(str(error))
            raise

    line: Line = []
    with pytest.raises(LookupError):
        await compose([watch, watch], fail)(line)
    assert line == ["no such order"] * 2


async def test_a_composed_step_can_be_walked_again_and_again() -> None:
    """It is composed once, at start-up, for all messages."""
    step = compose([layer("only")], innermost)
    first: Line = []
    second: Line = []
    await step(first)
    await step(second)
    assert first == second == ["only in", "innermost", "only out"]
