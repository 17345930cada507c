"""What one more message costs on its two walks, counted instead of timed.

Calls and bytecode instructions are the same on every machine and in every run, so that a coroutine
or a look-up too many on the happy path shows here. Seconds are for `python -m benchmarks.steps`.
"""

import gc
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from benchmarks.steps import (
    BODY,
    ENVELOPE,
    PROPERTIES,
    Bench,
    arrivals,
    chunks,
    confirm,
    publish,
    publish_many,
    split,
    tell,
)
from benchmarks.steps import pump as pump_all
from benchmarks.steps import receive as receive_all
from toolkit.transport.rabbitmq.wire import decode_properties, encode_properties


class Counter:
    """Counts Python calls, resumptions of coroutines among them, and instructions."""

    def __init__(self) -> None:
        self.calls = 0
        self.instructions = 0

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """See `sys.settrace`."""
        if event == "call":
            self.calls += 1
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            self.instructions += 1
        return self.trace


Walk = Callable[[Bench, int], Awaitable[None]]


async def decode(bench: Bench, count: int) -> None:
    for _ in range(count):
        decode_properties(PROPERTIES, BODY)


async def encode(bench: Bench, count: int) -> None:
    for _ in range(count):
        encode_properties(ENVELOPE)


async def receive(bench: Bench, count: int) -> None:
    await receive_all(bench, ARRIVALS[:count])


async def pump(bench: Bench, count: int) -> None:
    await pump_all(bench, ARRIVALS[:count])


async def read(bench: Bench, count: int) -> None:
    await split(CHUNKS[: count // 50])


async def ack(bench: Bench, count: int) -> None:
    tell(None, count)


async def write(bench: Bench, count: int) -> None:
    await confirm(count)


ARRIVALS, CHUNKS = arrivals(400), chunks(400)

WALKS: dict[str, tuple[Walk, int, int]] = {
    "frames to a delivery": (read, 6, 338),
    "marks to acks": (ack, 2, 54),
    "frames of a publish, and its fate": (write, 7, 219),
    "decode properties": (decode, 4, 421),
    "encode properties": (encode, 8, 341),
    "a delivery to its mark": (receive, 21, 473),
    "the same by way of a worker": (pump, 25, 580),
    "a call of an outlet to the transport's door": (publish, 11, 295),
    "the same by many": (publish_many, 14, 318),
}
"""Each with the most calls that it may take, and instructions, which differ between Pythons and are
compared on 3.11 alone."""


async def counted(walk: Walk, count: int) -> Counter:
    counter, bench, before = Counter(), Bench(), sys.gettrace()
    await walk(bench, 1)
    gc.collect()
    gc.disable()  # what others have left to be finalized is not the walk's
    sys.settrace(counter.trace)
    try:
        await walk(bench, count)
    finally:
        sys.settrace(before)
        gc.enable()
    return counter


@pytest.mark.parametrize(("walk", "calls", "instructions"), WALKS.values(), ids=WALKS)
async def test_one_more_message_costs_no_more_than_it_did(
    walk: Walk, calls: int, instructions: int
) -> None:
    """Whoever adds to a walk raises its number here, and says in the commit what that buys."""
    few, many = await counted(walk, 300), await counted(walk, 400)
    assert (many.calls - few.calls) / 100 <= calls
    if sys.version_info[:2] == (3, 11):
        assert (many.instructions - few.instructions) / 100 <= instructions
