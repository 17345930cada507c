"""A queue with other arguments, under the same name, without a stopped service.

Receives a queue's name and what is declared, carries out the steps; how far they have come is read
off the broker each time, so a run that ended anywhere is gone on with by another.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any

from toolkit.errors import ConfigurationError, TransportError
from toolkit.operations.audit import Record, unrecorded
from toolkit.operations.topology.broker import Broker
from toolkit.operations.topology.declared import Declared
from toolkit.operations.topology.difference import queue_differences
from toolkit.operations.topology.live import (
    bounds_of,
    has_alarm,
    has_statistics,
    policies_of,
    policy_for,
    queue_of,
)
from toolkit.topology import naming
from toolkit.topology.declarations import Exchange, Queue
from toolkit.topology.live import Bound, LiveQueue
from toolkit.topology.permission import Need
from toolkit.transport.rabbitmq.inspector import QueueState
from toolkit.transport.rabbitmq.mover import Moved, MoveError

_GLANCE = 0.5  # seconds
_MOST_REPLACEMENTS = 3
_DEAD_ENDS = ("expires", "message-ttl", "max-length", "max-length-bytes")

QUIET = timedelta(seconds=12)
"""How long nothing may be seen in a queue before it is taken for empty. What consumers hold shows
only in the broker's statistics: a queue tells its own every five seconds, the API collects them
every five."""
PATIENCE = timedelta(minutes=1)


class UnsafeError(ConfigurationError):
    """The queue can't be migrated now; nothing was changed."""

    def __init__(self, queue: str, problems: Iterable[str]) -> None:
        super().__init__(f"'{queue}' can't be migrated; nothing was changed", list(problems))


class GivenUpError(TransportError):
    """The migration stopped in the middle. The sentence says why, and where everything is."""

    exit_code = 69

    def __init__(self, queue: str, aside: str, reason: TransportError) -> None:
        super().__init__(
            f"the migration of '{queue}' stopped: {reason}. What isn't in '{queue}' is in "
            f"'{aside}'; run this again to go on, or with --undo to go back"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to wait: `quiet` see `QUIET`; `patience` for consumers to work off what is there."""

    quiet: timedelta = QUIET
    patience: timedelta = PATIENCE


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done."""

    queue: str
    changed: list[str] = field(default_factory=list)
    """What is different now, a sentence each; nothing if there was nothing to do."""
    moved_out: int = 0
    moved_back: int = 0
    maybe_twice: list[str] = field(default_factory=list)
    """Ids of messages that were moved and had been handed out before: after a kill they may be
    there twice."""
    is_undone: bool = False


Say = Callable[[int, str], None]
"""Told of each step once it is done: its number, and a sentence."""


@dataclass(slots=True, kw_only=True)
class Watching:
    """Who is told on the way."""

    say: Say = lambda _, __: None
    confirmed: Callable[[Moved], None] = lambda _: None
    """Between a copy's confirm and the original's ack."""
    record: Record = unrecorded


class Migration:
    """One queue's. The steps are numbered as in the package's docstring."""

    def __init__(
        self,
        broker: Broker,
        declared: Declared,
        name: str,
        *,
        pace: Pace | None = None,
        watching: Watching | None = None,
    ) -> None:
        queue = declared.queue(name)
        if queue is None:
            raise UnsafeError(name, [_undeclared(name, declared)])
        self._queue: Queue = queue
        self._declared = declared
        self._amqp = broker.amqp
        self._api = broker.api
        self._pace = pace or Pace()
        self._watching = watching or Watching()
        self._wanted = queue.arguments(declared.version)
        self._name = name
        self._aside = naming.migrating(name)
        self._report = Report(queue=name)
        self._bounds: tuple[Bound, ...] = ()

    async def run(self, *, undo: bool = False) -> Report:
        """From wherever the broker is. Raises `UnsafeError`, and nothing was changed; or
        `GivenUpError`, which says what was.
        """
        there, aside = await self._look()
        differs = there is not None and self._differences(there)
        if there is not None and aside is None and not (differs and not undo):
            await self._tidy()
            return self._report
        self._bounds = await self._all_bounds()
        await self._refuse_unless_safe(there, aside, undo=undo)
        async with self._amqp.occupied(f"{self._aside}.lock"):
            await self._carry_out(there, is_replaced=there is None or bool(differs and not undo))
        self._report.is_undone = undo
        return self._report

    async def _carry_out(self, there: LiveQueue | None, *, is_replaced: bool) -> None:
        report = self._report
        act = "migrate" if is_replaced else "migrate: move back"
        self._watching.record(act, stage="begin", queue=self._name)
        try:
            if is_replaced:
                await self._replace_when_empty(there)
            await self._bring_home()
        except TransportError as error:
            raise GivenUpError(self._name, self._aside, error) from error
        finally:
            self._watching.record(
                act,
                stage="end",
                queue=self._name,
                changed=report.changed,
                moved_out=report.moved_out,
                moved_back=report.moved_back,
                maybe_twice=len(report.maybe_twice),
            )

    # ------------------------------------------------------------------------- looking

    async def _look(self) -> tuple[LiveQueue | None, LiveQueue | None]:
        return await queue_of(self._api, self._name), await queue_of(self._api, self._aside)

    def _differences(self, there: LiveQueue) -> list[str]:
        return list(map(str, queue_differences(self._name, self._wanted, there)))

    async def _all_bounds(self) -> tuple[Bound, ...]:
        """All that the queue has, had before a migration that wasn't finished, or should have."""
        bounds = {
            bound: None
            for name in (self._name, self._aside)
            for bound in await bounds_of(self._api, name)
            if bound.exchange != self._aside
        }
        declared = (b for b in self._declared.topology.bindings if b.queue == self._name)
        there = [Bound(b.exchange, b.routing_key) for b in declared]
        for bound in there:
            if await self._amqp.inspector.has_exchange(bound.exchange):
                bounds.setdefault(bound, None)
        return tuple(bounds)

    async def _count(self, name: str) -> QueueState:
        state = await self._amqp.inspector.queue(name)
        if state is None:
            raise _VanishedError(f"'{name}' has vanished: somebody has deleted it")
        return state

    # ------------------------------------------------------------------------- refusing

    async def _refuse_unless_safe(
        self, there: LiveQueue | None, aside: LiveQueue | None, *, undo: bool
    ) -> None:
        problems: list[str] = []
        if there is None and aside is None:
            problems.append("it isn't there: `toolkit topology apply` makes it as declared")
        elif there is None and undo:
            problems.append("it is gone, with its old arguments: go on, without --undo")
        if there is not None:
            problems += self._problems_of(there, undo=undo)
        if aside is not None and not undo and (there is None or self._differences(there)):
            problems += _problems_of_aside(aside, self._wanted)
        if there is not None and not undo:
            problems += await self._problems_of_feeders()
        problems += await self._problems_of_policies()
        if await has_alarm(self._api):
            problems.append("the broker has an alarm for memory or disk: it takes no copies")
        if not await has_statistics(self._api):
            problems.append(
                "the broker collects no statistics (management.disable_stats), so nobody can tell "
                "what consumers hold"
            )
        problems += await self._lacking_permissions()
        if problems:
            raise UnsafeError(self._name, problems)

    def _problems_of(self, there: LiveQueue, *, undo: bool) -> Iterable[str]:
        if there.is_exclusive:
            yield "it is exclusive to one connection, and goes with that"
        if there.type not in ("classic", "quorum"):
            yield f"it is a {there.type} queue: what is in it can't be taken out"
        if undo:
            return
        total = there.ready + there.unacked
        if (most := self._queue.max_length) is not None and total > most:
            yield f"it holds {total} messages, and is declared to take {most}"
        if (size := self._queue.max_bytes) is not None and there.size > size:
            yield f"it holds {there.size} bytes, and is declared to take {size}"

    async def _problems_of_feeders(self) -> list[str]:
        """No unbinding stops what comes by the queue's name, and what comes at the very moment of
        its deletion is confirmed and lost.
        """
        problems = []
        for queue in self._declared.feeders(self._name):
            found = await queue_of(self._api, queue.name)
            if found is None:
                continue
            if found.consumers:
                problems.append(
                    f"it gets messages by its name from the {found.consumers} consumers of "
                    f"'{queue.name}', which nothing can redirect: stop these for as long as it "
                    "takes; what they would get waits in their queue"
                )
            elif found.ready + found.unacked and "x-message-ttl" in found.all_arguments:
                problems.append(
                    f"messages in '{queue.name}' may expire meanwhile, and would be sent here: "
                    "wait until it is empty"
                )
        return problems

    async def _problems_of_policies(self) -> list[str]:
        policies = await policies_of(self._api)
        kind = str(self._wanted["x-queue-type"])
        ours = policy_for(self._name, kind, policies)
        aside = policy_for(self._aside, kind, policies)
        dangerous = [
            f"{name}={aside[name]}"
            for name in _DEAD_ENDS
            if name in aside and aside[name] != ours.get(name)
        ]
        if not dangerous:
            return []
        found = f"a policy that matches '{self._aside}' says {', '.join(dangerous)}"
        return [f"{found}: what is kept there may be dropped or refused; make its pattern narrower"]

    async def _lacking_permissions(self) -> list[str]:
        writable = Need("write", "queue", self._name)
        answers = {
            need: await self._amqp.inspector.allows(need, writable=writable)
            for need in self._needs()
        }
        lacking = [str(need) for need, is_allowed in answers.items() if is_allowed is False]
        if not lacking:
            return []
        user = self._amqp.inspector.user
        return [f"user '{user}' lacks {', '.join(lacking)}"]

    def _needs(self) -> list[Need]:
        needs = [
            Need(permission, "queue", name)
            for name in (self._name, self._aside)
            for permission in ("configure", "write", "read")
        ]
        needs += [
            Need("configure", "exchange", self._aside),
            Need("write", "exchange", self._aside),
        ]
        needs += [Need("read", "exchange", one.exchange) for one in self._bounds]
        needs.append(Need("read", "exchange", self._aside))
        if self._queue.dead_letter_exchange is not None:
            needs.append(Need("write", "exchange", self._queue.dead_letter_exchange))
        return needs

    # ------------------------------------------------------------------------- moving

    async def _replace_when_empty(self, there: LiveQueue | None) -> None:
        """Steps 1 to 4, again if the queue got something, or was made again, at the last moment."""
        for left in reversed(range(_MOST_REPLACEMENTS)):
            if there is not None:
                await self._set_aside()
                await self._empty()
            try:
                await self._replace(there)
            except _VanishedError:
                raise
            except TransportError:
                if not left:
                    raise
                there = await queue_of(self._api, self._name)
            else:
                return

    async def _set_aside(self) -> None:
        """Steps 1 and 2."""
        await self._amqp.declare_queue(self._aside, self._wanted)
        await self._amqp.declare_exchange(Exchange(self._aside, "fanout"))
        await self._amqp.switch([Bound(self._aside)], to=self._aside, away_from=self._name)
        self._watching.say(1, f"made '{self._aside}' with the arguments that are declared")
        if not (await self._count(self._name)).consumers:
            await self._move_out()  # oldest first: the newer ones still come into the old queue
        await self._amqp.switch(self._bounds, to=self._aside, away_from=self._name)
        self._watching.say(2, f"what comes for '{self._name}' is kept in '{self._aside}'")

    async def _move_out(self) -> None:
        moved = await self._move(self._name)
        self._report.moved_out += moved.count

    async def _move(self, queue: str) -> Moved:
        moved = await self._amqp.move(queue, self._aside, self._watching.confirmed)
        self._report.maybe_twice += moved.handed_out_before
        return moved

    async def _empty(self) -> None:
        """Step 3: consumers work off what is there, for as long as patience lasts; the rest is
        moved. Nothing may be held by anybody at the end. Where that fails all is put back.
        """
        try:
            await self._until_quiet()
        except (_HeldError, MoveError, _VanishedError) as error:
            await self._put_back()
            if isinstance(error, _HeldError):
                raise UnsafeError(self._name, [str(error)]) from error
            raise
        self._watching.say(
            3, f"'{self._name}' is empty; {self._report.moved_out} moved, the rest consumed"
        )

    async def _put_back(self) -> None:
        """Where what keeps what comes has vanished, nobody but us knows the bindings."""
        if await self._amqp.inspector.queue(self._name) is None:
            return
        if await self._amqp.inspector.queue(self._aside) is None:
            await self._amqp.bind(self._name, self._bounds)
        await self._bring_home()

    async def _until_quiet(self) -> None:
        patience, quiet = self._pace.patience.total_seconds(), self._pace.quiet.total_seconds()
        begun = monotonic()
        empty_since: float | None = None
        while True:
            await self._unbind_what_came_back()
            state = await self._count(self._name)
            await self._count(self._aside)
            ready = state.messages
            seen = await queue_of(self._api, self._name)
            held = seen.unacked + seen.ready if seen else 0
            now = monotonic()
            if ready or held:
                empty_since = None
            elif empty_since is None:
                empty_since = now
            elif now - empty_since >= quiet:
                return
            if ready and (not state.consumers or now - begun > patience):
                await self._move_out()
            elif held and now - begun > 2 * patience + quiet:
                raise _HeldError(self._name, held, now - begun)
            await asyncio.sleep(min(_GLANCE, quiet / 4))

    async def _unbind_what_came_back(self) -> None:
        """A service that reconnects meanwhile binds its queue again."""
        if back := [b for b in await bounds_of(self._api, self._name) if b.exchange != self._aside]:
            self._bounds = tuple(dict.fromkeys((*self._bounds, *back)))
            await self._amqp.switch(back, to=self._aside, away_from=self._name)

    async def _replace(self, there: LiveQueue | None) -> None:
        """Step 4. Its look is the last moment: from here on the old queue is gone."""
        if there is not None and (await self._count(self._name)).messages:
            raise _LateError(f"'{self._name}' got a message at the last moment")
        bounds = [*self._bounds, Bound(self._aside)]
        self._watching.record("delete queue", queue=self._name)
        await self._amqp.replace(self._name, self._wanted, bounds, away_from=self._aside)
        self._report.changed = (
            self._differences(there) if there else [f"'{self._name}' was made again"]
        )
        self._watching.say(4, f"'{self._name}' was replaced, and gets what comes for it again")

    async def _bring_home(self) -> None:
        """Steps 5 and 6: also the way back, when the queue has stayed as it was."""
        await self._amqp.declare_exchange(Exchange(self._aside, "fanout"))
        bounds = [*self._bounds, Bound(self._aside)]
        if await self._amqp.inspector.queue(self._aside) is not None:
            await self._amqp.switch(bounds, to=self._name, away_from=self._aside)
            for _ in range(2):  # again for what was on its way while it was unbound
                moved = await self._move(self._aside)
                self._report.moved_back += moved.count
                await asyncio.sleep(min(1.0, self._pace.quiet.total_seconds()))
            self._watching.say(5, f"moved {self._report.moved_back} back into '{self._name}'")
            await self._delete_queue(self._aside)
        await self._tidy()
        self._watching.say(6, f"'{self._aside}' is gone")

    async def _tidy(self) -> None:
        """The fanout, once nothing is kept aside any more."""
        if await self._amqp.inspector.has_exchange(self._aside):
            await self._amqp.unbind(self._name, [Bound(self._aside)])
            await self._amqp.delete_exchange(self._aside)

    async def _delete_queue(self, name: str) -> None:
        state = await self._count(name)
        if state.messages or state.consumers:
            raise _LateError(f"'{name}' isn't empty, or somebody consumes it: it was left")
        self._watching.record("delete queue", queue=name)
        is_classic = (await self._kind_of(name)) == "classic"
        await self._amqp.delete_queue(name, has_guards=is_classic)

    async def _kind_of(self, name: str) -> str:
        found = await queue_of(self._api, name)
        return found.type if found else "classic"


class _VanishedError(TransportError):
    """A queue isn't there any more."""


class _LateError(TransportError):
    """Something came when everything seemed to be over."""


class _HeldError(TransportError):
    """Somebody keeps messages, and neither acks nor returns them."""

    def __init__(self, queue: str, held: int, seconds: float) -> None:
        super().__init__(
            f"{held} messages of '{queue}' are still held by consumers after {seconds:.0f}s, and "
            "would be lost if one of these gave its own back; everything is as before. Wait for "
            "slow handlers, or give more --patience"
        )


def _undeclared(name: str, declared: Declared) -> str:
    known = ", ".join(queue.name for queue in declared.topology.queues) or "none"
    return f"none of these services declares it; their queues are: {known}"


def _problems_of_aside(aside: LiveQueue, wanted: dict[str, Any]) -> Iterable[str]:
    if queue_differences(aside.name, wanted, aside):
        yield (
            f"'{aside.name}' is left of a migration to other arguments, and holds {aside.content}: "
            "take that back with --undo, or finish it with the release that began it"
        )
    if aside.consumers:
        yield f"somebody consumes '{aside.name}'"
