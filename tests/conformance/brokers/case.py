"""Steps that many cases share.

Receives a broker, hands back what it shows once it has come to rest.
"""

from typing import Any

from tests.conformance.brokers.driver import RawBroker, RefusedCallError, Seen


async def publish_all(raw: RawBroker, queue: str, bodies: str) -> None:
    """One message for each letter, straight into a queue."""
    for body in bodies:
        assert await raw.publish("", queue, body) == "confirmed"


async def hold(raw: RawBroker, queue: str, count: int) -> list[Seen]:
    """Takes that many messages and settles none."""
    held = [await raw.get(queue) for _ in range(count)]
    assert all(held)
    return [seen for seen in held if seen is not None]


async def ack_again(raw: RawBroker, seen: Seen) -> None:
    """Acks, and asks for something else: a real broker refuses an ack on the next call."""
    await raw.ack(seen.tag)
    await raw.count("q")


async def drain(raw: RawBroker, queue: str) -> list[Seen]:
    """Everything that is ready, acked."""
    drained = []
    while (seen := await raw.get(queue)) is not None:
        drained.append(seen)
        await raw.ack(seen.tag)
    return drained


async def order(raw: RawBroker, queue: str) -> str:
    """The bodies in the order in which they come."""
    return "".join(seen.body for seen in await drain(raw, queue))


async def has(raw: RawBroker, **counts: int) -> None:
    """Asserts how many messages are ready in each queue, as soon as that is so."""

    async def look() -> dict[str, int]:
        return {queue: await raw.count(queue) for queue in counts}

    assert await raw.eventually(look, counts) == counts


async def one(raw: RawBroker, queue: str) -> Seen:
    """The next message, which has to come."""
    await has_some(raw, queue)
    seen = await raw.get(queue)
    assert seen is not None
    return seen


async def exists(raw: RawBroker, queue: str) -> bool:
    """Whether there is such a queue; looking is no use that would keep it."""
    try:
        await raw.count(queue)
    except RefusedCallError:
        return False
    return True


async def has_some(raw: RawBroker, queue: str) -> None:
    """Asserts that a queue comes to hold something."""

    async def look() -> bool:
        return await raw.count(queue) > 0

    assert await raw.eventually(look, expected=True)


async def dead_letters(
    raw: RawBroker, queue: str, dead: str, *, kind: str = "quorum", **arguments: Any
) -> None:
    """Declares a queue, and another that its dead letters go to."""
    await raw.queue(dead, queue_type=kind)
    await raw.queue(
        queue,
        queue_type=kind,
        dead_letter_exchange="",
        dead_letter_routing_key=dead,
        **arguments,
    )
