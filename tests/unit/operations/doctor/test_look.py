"""A look that fails, hangs or leaves is one that saw nothing; the others go on."""

import asyncio
import threading

import pytest

from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import in_thread, looked

FINE = Finding("check", "thing", "ok", "fine")


async def fine() -> list[Finding]:
    return [FINE]


async def fail() -> list[Finding]:
    raise LookupError("no such thing")


async def hang() -> list[Finding]:
    await asyncio.Event().wait()
    return []


async def test_a_look_that_fails_says_why_and_hides_nothing() -> None:
    """Whatever it raises."""
    first, (unknown,) = await asyncio.gather(
        looked("check", "thing", fine()), looked("check", "other", fail())
    )
    assert first == [FINE]
    assert (unknown.status, unknown.sentence) == ("unknown", "not looked at: no such thing")


async def test_a_look_that_hangs_is_given_up() -> None:
    """It has a deadline of its own."""
    (unknown,) = await looked("check", "thing", hang(), within=0.01)
    assert (unknown.status, unknown.subject) == ("unknown", "thing")
    assert "no answer within 0.01s" in unknown.sentence


async def test_a_call_that_blocks_for_ever_holds_up_nobody() -> None:
    """Not the loop, and not the end of the process: its thread is a daemon."""
    is_over = threading.Event()
    threads: list[threading.Thread] = []

    def block() -> list[Finding]:
        threads.append(threading.current_thread())
        is_over.wait()
        return []

    (unknown,) = await looked("check", "thing", in_thread(block), within=0.05)
    is_over.set()
    assert unknown.status == "unknown"
    assert threads[0].daemon


async def test_a_module_that_leaves_the_process_does_not_take_us_along() -> None:
    """`sys.exit` at the top of a module is somebody's idea of a script."""

    def leave() -> list[Finding]:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="it ended with SystemExit: 3"):
        await in_thread(leave)
