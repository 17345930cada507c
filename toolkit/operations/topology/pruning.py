"""What nobody declares any more, and its end.

Receives what is declared and what a broker holds, hands leftovers; deletes those that are empty and
unused, when told to. A classic queue is deleted under the broker's own guards, if-empty and
if-unused. A quorum queue has none, so its bindings go first, and it is looked at once more: what
may still come by its name, from somebody nobody knows of, has no such guard.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from toolkit.errors import ToolkitError, TransportError
from toolkit.operations.audit import Record
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.declared import Declared
from toolkit.operations.topology.difference import (
    leftover_bindings,
    leftover_exchanges,
    leftover_queues,
)
from toolkit.operations.topology.live import bounds_of, queue_of
from toolkit.topology.live import Bound, Live, LiveExchange, LiveQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing that nobody declares. `in_the_way` says why it can't be deleted, if it can't."""

    kind: Literal["binding", "queue", "exchange"]
    name: str
    content: str
    in_the_way: str | None = None
    bound: Bound | None = None
    queue: LiveQueue | None = None


def leftovers(declared: Declared, live: Live) -> list[Leftover]:
    """All of them, in the order in which they can be deleted."""
    return [
        *(
            Leftover(kind="binding", name=name, content=f"to {bound}", bound=bound)
            for name, bound in leftover_bindings(declared, live)
        ),
        *(_queue(queue) for queue in leftover_queues(declared, live)),
        *(_exchange(one, declared, live) for one in leftover_exchanges(declared, live)),
    ]


def _queue(queue: LiveQueue) -> Leftover:
    reason = None
    if queue.consumers:
        reason = "somebody consumes it"
    elif not queue.is_idle:
        reason = "it isn't empty"
    return Leftover(
        kind="queue",
        name=queue.name,
        content=f"{queue.type}, {queue.content}",
        in_the_way=reason,
        queue=queue,
    )


def _exchange(exchange: LiveExchange, declared: Declared, live: Live) -> Leftover:
    """What is bound to it only by queues that go too is no hindrance."""
    going = {queue.name for queue in leftover_queues(declared, live) if queue.is_idle}
    bound = {
        queue
        for queue, bounds in live.bindings.items()
        if any(one.exchange == exchange.name for one in bounds)
    }
    staying = sorted(bound - going - set(declared.names))
    reason = f"'{staying[0]}' is bound to it" if staying else None
    return Leftover(kind="exchange", name=exchange.name, content=exchange.type, in_the_way=reason)


async def prune(
    broker: Broker, chosen: Iterable[Leftover], *, say: Callable[[str], None], record: Record
) -> list[str]:
    """Deletes what isn't in use, and returns a sentence for each that had to stay."""
    stayed = []
    for one in chosen:
        if one.in_the_way:
            stayed.append(f"{one.kind} '{one.name}' stays: {one.in_the_way}")
            continue
        record("delete", stage="begin", kind=one.kind, name=one.name, what=one.content)
        try:
            await _delete(broker, one)
        except (TransportError, _InUseError) as error:
            record("delete", stage="failed", kind=one.kind, name=one.name, reason=str(error))
            stayed.append(f"{one.kind} '{one.name}' stays: {error}")
            continue
        record("delete", stage="end", kind=one.kind, name=one.name)
        say(f"deleted {one.kind} '{one.name}' ({one.content})")
    return stayed


class _InUseError(ToolkitError):
    """It is, by now."""


async def _delete(broker: Broker, one: Leftover) -> None:
    if one.kind == "binding":
        assert one.bound is not None
        await broker.amqp.unbind(one.name, [one.bound])
    elif one.kind == "exchange":
        await broker.amqp.delete_exchange(one.name)
    elif one.queue is not None and one.queue.type == "classic":
        await _require_idle(broker, one.name)
        await broker.amqp.delete_queue(one.name, has_guards=True)
    else:
        await _delete_unguarded(broker, one.name)


async def _delete_unguarded(broker: Broker, name: str) -> None:
    bounds = await bounds_of(broker.api, name)
    await broker.amqp.unbind(name, bounds)
    try:
        await _require_idle(broker, name)
    except BaseException:
        await broker.amqp.bind(name, bounds)
        raise
    await broker.amqp.delete_queue(name, has_guards=False)


async def _require_idle(broker: Broker, name: str) -> None:
    """By the broker's own word now, and by its statistics for what consumers hold."""
    state = await broker.amqp.inspector.queue(name)
    seen = await queue_of(broker.api, name)
    if state is None or seen is None:
        raise _InUseError("it has gone meanwhile")
    if state.messages or state.consumers or not seen.is_idle:
        raise _InUseError("it is in use by now")
