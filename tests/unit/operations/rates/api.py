"""A queue as the management API would show it, out of a few numbers.

Receives what came and went in a second, hands tests the answer for a window of a minute.
"""

from collections.abc import Callable, Sequence
from typing import Any

NOW = 1_800_000_000.0
STEP, STEPS = 5, 12
MOMENTS = [NOW - STEP * (STEPS - n) for n in range(STEPS + 1)]

OverTime = Callable[[float], float]
"""From seconds since the window began to a count."""


def even(rate: float, *, begin: float = 0.0) -> OverTime:
    """So many a second, on top of what there was."""
    return lambda seconds: begin + rate * seconds


_PUBLISHED, _ACKED, _NOTHING = even(0, begin=1000), even(0, begin=500), even(0)


def details(name: str, values: Sequence[float]) -> dict[str, Any]:
    """The last one, and all of them; the newest comes first, as the API has it."""
    samples = [
        {"sample": value, "timestamp": int(at * 1000)}
        for at, value in zip(MOMENTS, values, strict=True)
    ]
    return {name: values[-1], f"{name}_details": {"samples": samples[::-1]}}


def queue(
    *,
    publish: OverTime = _PUBLISHED,
    ack: OverTime = _ACKED,
    length: OverTime = _NOTHING,
    unacked: OverTime = _NOTHING,
    consumers: int = 1,
    name: str = "shop.ship",
    **more: Any,
) -> dict[str, Any]:
    """By default somebody is there, and nothing happens."""
    seconds = [at - MOMENTS[0] for at in MOMENTS]
    levels = details("messages", [round(length(s)) for s in seconds])
    held = details("messages_unacknowledged", [round(unacked(s)) for s in seconds])
    ready = levels["messages"] - held["messages_unacknowledged"]
    stats = details("publish", [round(publish(s)) for s in seconds])
    stats |= details("ack", [round(ack(s)) for s in seconds])
    said = {"name": name, "type": "quorum", "consumers": consumers, "messages_ready": ready}
    return said | levels | held | {"message_stats": stats, "arguments": {}} | more
