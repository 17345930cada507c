"""What can go wrong, one function for each.

Receives the ground and the crew of a siege, does harm, and hands back the moment from which the
world was whole again: the broker took connections, the link carried bytes, the queue was there.
"""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.crew import Crew, Member
from tests.faults.ground import NOTE, TAKE, Ground
from toolkit.testing.broker import Broker

HEARTBEAT = 2.0
"""Seconds, for the services under fire."""

_SHORT = 2.0  # seconds that an alarm, or a slow link, lasts
_SLOW = 0.1  # seconds that a slow link adds to whatever passes
_SETTLED = 2.0  # seconds until a new queue survives a kill
_PATIENCE = 30.0


@dataclass
class Scene:
    """Where a fault happens, and to whom."""

    ground: Ground
    crew: Crew
    chance: random.Random
    down: list[Broker] = field(default_factory=list)
    noticed: list[float] = field(default_factory=list)  # seconds until a frozen link was given up
    exits: list[tuple[str, int, float]] = field(default_factory=list)  # who, code, seconds


Inject = Callable[[Scene], Awaitable[float]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    inject: Inject
    weight: int = 1
    kind: str = "take"  # whose flow it interrupts
    may_repeat: bool = True  # whether it excuses that a message is handled twice
    mend: Callable[[Scene], Awaitable[None]] | None = None  # once messages flow in spite of it


async def _broker_killed(scene: Scene) -> float:
    await asyncio.to_thread(scene.ground.broker.kill)
    return await scene.ground.start(scene.ground.broker)


async def _broker_restarted(scene: Scene) -> float:
    await asyncio.to_thread(scene.ground.broker.stop)
    return await scene.ground.start(scene.ground.broker)


async def _connections_closed(scene: Scene) -> float:
    await scene.ground.close_connections()
    return time.monotonic()


async def _link_cut(scene: Scene) -> float:
    for link in scene.ground.links:
        link.cut()
    return time.monotonic()


async def _link_cut_mid_frame(scene: Scene) -> float:
    strands = [strand for link in scene.ground.links for strand in link.cut_mid_frame()]
    async with asyncio.timeout(_PATIENCE):
        for strand in strands:
            await strand.was_left.wait()  # an idle one carries a heartbeat at last
    return time.monotonic()


async def _link_frozen(scene: Scene) -> float:
    began = time.monotonic()
    strands = [strand for link in scene.ground.links for strand in link.freeze()]
    async with asyncio.timeout(_PATIENCE):
        for strand in strands:
            await strand.was_left.wait()
    last = max((strand.left_at for strand in strands), default=began)
    scene.noticed.append(last - began)
    return last


async def _link_slowed(scene: Scene) -> float:
    for link in scene.ground.links:
        link.delay = _SLOW
    await asyncio.sleep(_SHORT)
    for link in scene.ground.links:
        link.delay = 0.0
    return time.monotonic()


async def _taker_killed(scene: Scene) -> float:
    return await _killed(scene.chance.choice(scene.crew.takers))


async def _publisher_killed(scene: Scene) -> float:
    return await _killed(scene.chance.choice(scene.crew.publishers))


async def _killed(member: Member) -> float:
    member.kill()
    await member.ended()
    await member.start()
    await member.started()
    return time.monotonic()


async def _taker_asked_to_end(scene: Scene) -> float:
    member = scene.chance.choice(scene.crew.takers)
    began = time.monotonic()
    member.signal(signal.SIGTERM)
    code = await member.ended()
    scene.exits.append((member.name, code, time.monotonic() - began))
    await member.start()
    await member.started()
    return time.monotonic()


async def _queue_deleted(scene: Scene) -> float:
    await scene.ground.delete_queue(NOTE)
    async with asyncio.timeout(_PATIENCE):
        while not await scene.ground.has_queue(NOTE):
            await asyncio.sleep(0.02)
    return time.monotonic()


async def _let_it_settle(_: Scene) -> None:
    """RabbitMQ 4.0.5, killed within a second of declaring a quorum queue, never again answers who
    wants to consume it, whatever the client.
    """
    await asyncio.sleep(_SETTLED)


async def _memory_alarm(scene: Scene) -> float:
    await scene.ground.ctl("set_vm_memory_high_watermark", "0.00001")
    await asyncio.sleep(_SHORT)
    await scene.ground.ctl("set_vm_memory_high_watermark", "0.6")
    return time.monotonic()


async def _leader_killed(scene: Scene) -> float:
    leader = await scene.ground.leader(TAKE)
    await asyncio.to_thread(leader.kill)
    scene.down.append(leader)
    return time.monotonic()


async def _leader_back(scene: Scene) -> None:
    while scene.down:
        await scene.ground.start(scene.down.pop())
    await scene.ground.whole()


BROKER_KILLED = Fault("broker killed (SIGKILL) and started", _broker_killed, weight=2)
BROKER_RESTARTED = Fault("broker stopped and started", _broker_restarted)
CONNECTIONS_CLOSED = Fault("connections closed by the management API", _connections_closed, 3)
LINK_CUT = Fault("link cut", _link_cut, weight=3)
LINK_CUT_MID_FRAME = Fault("link cut in the middle of a frame", _link_cut_mid_frame, weight=3)
LINK_FROZEN = Fault("link frozen", _link_frozen, weight=2)
LINK_SLOWED = Fault("link slowed for 2 s", _link_slowed, weight=2)
TAKER_KILLED = Fault("consumer killed (SIGKILL)", _taker_killed, weight=3)
PUBLISHER_KILLED = Fault("publisher killed (SIGKILL)", _publisher_killed, weight=3)
TAKER_ASKED = Fault("consumer asked to end (SIGTERM)", _taker_asked_to_end, 3, may_repeat=False)
QUEUE_DELETED = Fault(
    "queue deleted under its consumer", _queue_deleted, 3, "note", mend=_let_it_settle
)
MEMORY_ALARM = Fault("memory alarm for 2 s", _memory_alarm, weight=2)
LEADER_KILLED = Fault("leader of the queue killed (SIGKILL)", _leader_killed, mend=_leader_back)

ON_ONE_NODE = (
    BROKER_KILLED,
    BROKER_RESTARTED,
    CONNECTIONS_CLOSED,
    LINK_CUT,
    LINK_CUT_MID_FRAME,
    LINK_FROZEN,
    LINK_SLOWED,
    TAKER_KILLED,
    PUBLISHER_KILLED,
    TAKER_ASKED,
    QUEUE_DELETED,
    MEMORY_ALARM,
)
IN_A_CLUSTER = (LEADER_KILLED, CONNECTIONS_CLOSED, LINK_CUT, TAKER_KILLED, PUBLISHER_KILLED)


def at_random(faults: Sequence[Fault], chance: random.Random, *, seconds: float) -> Iterator[Fault]:
    """Each once, in random order, then any by their weights until the time is over."""
    until = time.monotonic() + seconds
    yield from chance.sample(faults, len(faults))
    weights = [fault.weight for fault in faults]
    while time.monotonic() < until:
        yield from chance.choices(faults, weights)
