"""A look that can neither hang nor break the others.

Receives what a check does, hands its findings, or one that says why there are none.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from toolkit.operations.doctor.finding import Finding

R = TypeVar("R")

PATIENCE = 5.0
"""Seconds for one look."""


async def looked(
    check: str, subject: str, look: Awaitable[Sequence[Finding]], *, within: float = PATIENCE
) -> list[Finding]:
    """Its findings; a look that fails, or takes too long, is one that saw nothing."""
    try:
        async with asyncio.timeout(within):
            return list(await look)
    except TimeoutError:
        reason = f"not looked at: no answer within {within:g}s"
    except Exception as error:  # noqa: BLE001 - what breaks one look must not hide the others
        reason = f"not looked at: {str(error) or type(error).__name__}"
    return [Finding(check, subject, "unknown", reason)]


async def in_thread(call: Callable[[], R]) -> R:
    """The result of a call that may block for ever: its thread keeps no process alive."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[R] = loop.create_future()

    def tell(report: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(lambda: None if result.done() else report())

    def work() -> None:
        try:
            value = call()
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            failure = error
            tell(lambda: result.set_exception(failure))
        except BaseException as error:  # noqa: BLE001 - such as the SystemExit of somebody's module
            ended = RuntimeError(f"it ended with {type(error).__name__}: {error}")
            tell(lambda: result.set_exception(ended))
        else:
            tell(lambda: result.set_result(value))

    threading.Thread(target=work, daemon=True).start()
    return await result
