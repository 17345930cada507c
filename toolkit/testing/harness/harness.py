"""Services under test: started together, watched, and stopped.

Receives services from a test, hands it what became of messages.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from toolkit.errors import ConfigurationError, ToolkitError
from toolkit.messages import headers as wire
from toolkit.messages.codec import JsonCodec
from toolkit.messages.contract import Command, Event, Message, contract_of
from toolkit.messages.envelope import Envelope
from toolkit.messages.outgoing import Publication, SendOptions
from toolkit.observability import events
from toolkit.observability.hooks import Hooks
from toolkit.policies.duration import Duration, parse_duration, parse_optional
from toolkit.receiving.consumer import Consumer, message_types
from toolkit.sending.pipeline import Route, SendPipeline
from toolkit.service.service import Service
from toolkit.service.settings import Settings
from toolkit.testing.harness.fault import Faults
from toolkit.testing.harness.journal import Journal
from toolkit.testing.harness.record import (
    Consumed,
    DeadLettered,
    Published,
    Received,
    Record,
    Retried,
)
from toolkit.testing.harness.stage import stage_at
from toolkit.testing.harness.timeline import timeline
from toolkit.testing.harness.view import View
from toolkit.testing.harness.watch import WatchedTransport
from toolkit.topology import naming
from toolkit.topology.declarations import Exchange, Topology
from toolkit.transport.memory.clock import let_the_loop_turn
from toolkit.transport.port import Transport

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Record[Any])

By = str | type[Consumer[Any]] | Consumer[Any] | Service
"""Whose record it is: a consumer, by class or name, or a service."""

PATIENCE = "10s"
TEST = "test"
"""The name under which a test publishes."""

_BUSES = Topology(exchanges=(Exchange(naming.EVENTS, "topic"), Exchange(naming.COMMANDS, "direct")))
_TURNS = 200  # of the event loop, before a look costs a moment's sleep
_GLANCE = 0.001  # seconds
_PUBLISH_TIMEOUT = timedelta(seconds=10)
_GRACE = timedelta(milliseconds=100)
"""Of real time, for a handler that still runs when the test is over."""


class NotSettledError(ToolkitError, AssertionError):
    """What a test waited for did not come about; the sentence says what still runs."""


class ServiceHarness:
    """Services on a broker of their own, for one test.

        async with ServiceHarness(make_service(mailer)) as harness:
            await harness.publish(OrderPlaced(order_id=1))
            await harness.settled()
            assert harness.consumed(OrderPlaced).only.attempt == 1

    On a broker in memory, unless `broker` is the URL of a RabbitMQ virtual host: then the same
    test runs there, and time passes as it does. An exception of a handler fails the test, with its
    own traceback, unless it is `expect`ed. Leaving the block waits until everything has come to
    rest. Raises `ConfigurationError` for services that can't be tested together.
    """

    def __init__(
        self, *services: Service, broker: str | None = None, patience: Duration = PATIENCE
    ) -> None:
        _check(services)
        self.services = services
        self._patience = parse_duration(patience).total_seconds()
        self._journal = Journal(self._now)
        self._stage = stage_at(broker, services, self._journal.tell)
        self._faults = Faults()
        self._transports: list[WatchedTransport] = []
        self._hooks: list[tuple[Service, Callable[[events.MessageEvent], None]]] = []
        self._client: Transport | None = None
        self._sending = SendPipeline(
            TEST,
            self._hand_over,
            JsonCodec(),
            Hooks(),
            timeout=_PUBLISH_TIMEOUT,
            now=self._now,
        )

    # ------------------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        try:
            self._client = self._watched(TEST, Settings(), is_consuming=False)
            await self._client.open(_BUSES)
            for service in self.services:
                self._listen_to(service)
                await service.start(connect=self._connect)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.settled()
            elif isinstance(error, Exception):
                self._explain(error)
        finally:
            await self._stop()

    def _listen_to(self, service: Service) -> None:
        models = [m for consumer in service.consumers for m in message_types(type(consumer))]
        models += [contract.model for contract in service.published]
        self._journal.know(models, service.codec)
        hook = self._journal.hook(service.name)
        service.hooks.add(hook, events.MessageEvent)
        self._hooks.append((service, hook))

    async def _stop(self) -> None:
        for service in reversed(self.services):
            await service.stop(grace=_GRACE)
        for service, hook in self._hooks:
            service.hooks.remove(hook)
        if self._client is not None:
            await self._client.close(within=timedelta(seconds=5))

    def _connect(self, service: str, settings: Settings, is_consuming: bool) -> Transport:  # noqa: FBT001 - `Connect`
        return self._watched(service, settings, is_consuming=is_consuming)

    def _watched(self, service: str, settings: Settings, *, is_consuming: bool) -> WatchedTransport:
        transport = WatchedTransport(
            self._stage.transport(service, settings, is_consuming=is_consuming),
            service,
            journal=self._journal,
            faults=self._faults if service != TEST else Faults(),
            watcher=self._stage,
        )
        self._transports.append(transport)
        return transport

    # ------------------------------------------------------------------------------ acting

    async def publish(self, event: Event, **options: Any) -> str:
        """Publishes an event as the rest of the world would, and returns its id.

        `options` are those of `SendOptions`. Raises `UnroutableError` if none of the services
        takes it.
        """
        return await self._publish(event, options)

    async def send(self, command: Command, **options: Any) -> str:
        """Sends a command; as `publish` otherwise."""
        return await self._publish(command, options)

    async def publish_bytes(
        self,
        body: bytes,
        *,
        routing_key: str,
        exchange: str = naming.EVENTS,
        headers: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        """Publishes any bytes with any properties, as a stranger might; see `Envelope`.

        With `exchange=""` the routing key is a queue's name. Raises `UnroutableError`.
        """
        known = {"message_id": uuid4().hex, **properties}
        envelope = Envelope(body, headers=dict(headers or {}), **known)
        await self._hand_over(Publication(envelope, exchange, routing_key), _PUBLISH_TIMEOUT)

    async def settled(self, *, within: Duration | None = None) -> None:
        """Returns once all that the test set in motion has come to rest.

        That is: no message is being handled or could be, and nothing is being published. What
        waits for time to pass is at rest; see `advance`. Raises the first unexpected error of a
        handler, and after `within` of real time `NotSettledError`.
        """
        await self._until(self._is_at_rest, "rest", within)
        self._raise_failure()

    async def advance(self, step: Duration, *, at_rest: bool = True) -> None:
        """Lets time pass, and all that falls due in it happen, in order; then as `settled`.

        With `at_rest=False` it only passes, whatever is at work: for a handler that hangs until its
        timeout. On a broker in memory this takes no time; on a RabbitMQ it takes as long as it
        says.
        """
        settle = partial(self._until, self._is_at_rest) if at_rest else let_the_loop_turn
        await self._stage.advance(parse_duration(step), settle)
        if at_rest:
            await self.settled()

    def expect(self, *errors: type[BaseException]) -> None:
        """Says that handlers may raise these: they no longer fail the test.

        `UndecodableError` and `UnhandledTypeError` stand for messages that no handler can take.
        """
        self._journal.expect(errors)

    # ------------------------------------------------------------------------------ seeing

    def published(self, model: type[M] = Message, *, by: By | None = None) -> View[Published[M]]:  # type: ignore[assignment] # mypy: a default for a type variable
        """What was published: by the services' handlers and producers, and by the test."""
        return self._view(Published, model, by)

    def consumed(self, model: type[M] = Message, *, by: By | None = None) -> View[Consumed[M]]:  # type: ignore[assignment]
        """What was handled with success and acknowledged."""
        return self._view(Consumed, model, by)

    def retried(self, model: type[M] = Message, *, by: By | None = None) -> View[Retried[M]]:  # type: ignore[assignment]
        """What failed and waits, or waited, on the broker for another try."""
        return self._view(Retried, model, by)

    def dead_lettered(
        self,
        model: type[M] = Message,  # type: ignore[assignment]
        *,
        by: By | None = None,
    ) -> View[DeadLettered[M]]:
        """What was given up."""
        return self._view(DeadLettered, model, by)

    @property
    def timeline(self) -> str:
        """All that happened, as a tree: cause under cause."""
        return timeline(self._journal)

    # ------------------------------------------------------------------------------ faults

    def crash_before_ack(self, model: type[Message] | None = None, *, times: int = 1) -> None:
        """The next message of this type is handled, and its service is cut off before the ack.

        As if its process had died right then: the broker delivers again.
        """
        self._faults.order("crash before ack", model, times)

    def refuse_publish(self, model: type[Message] | None = None, *, times: int = 1) -> None:
        """The broker answers no to the next publish of this type by a service."""
        self._faults.order("refuse", model, times)

    def return_publish(self, model: type[Message] | None = None, *, times: int = 1) -> None:
        """No queue takes the next publish of this type by a service."""
        self._faults.order("return", model, times)

    def drop_connection(self, service: Service | None = None) -> None:
        """Cuts a service off, or all of them; they connect again by themselves.

        What they held is delivered again.
        """
        for transport in self._transports:
            if transport.service != TEST and service in (None, self._named(transport.service)):
                transport.lose_connection()

    async def redeliver(self, record: Consumed[Any]) -> None:
        """Delivers what was consumed once more, under the same id, as it would come to another
        process after an ack got lost, or from a sender that wasn't sure.
        """
        envelope = record.envelope
        copy = replace(envelope, headers=wire.without_brokers_own(envelope.headers))
        publication = Publication(copy, naming.DEFAULT_EXCHANGE, record.queue)
        await self._hand_over(publication, _PUBLISH_TIMEOUT)

    # ------------------------------------------------------------------------------ inside

    async def _publish(self, message: Message, options: Mapping[str, Any]) -> str:
        known = {**options, "ttl": parse_optional(options.get("ttl"))}
        known["timeout"] = parse_optional(options.get("timeout"))
        self._sending.declare(Route.of(contract_of(type(message)), is_required=True))
        self._journal.know([type(message)], JsonCodec())
        return await self._sending.send(message, SendOptions(**known))

    async def _hand_over(self, publication: Publication, timeout: timedelta) -> None:
        if self._client is None:
            raise ToolkitError("the harness isn't running; use `async with ServiceHarness(...)`")
        await self._client.publish(publication, timeout=timeout)

    def _view(self, kind: type[R], model: type[Message], by: By | None) -> View[R]:
        name = None if model is Message else contract_of(model).name
        decode = None if model is Message else JsonCodec().decoder(model)

        def look() -> list[R]:
            found = [r for r in self._journal.records if isinstance(r, kind)]
            found = [r for r in found if name in (None, r.type) and _is_by(r, by)]
            return [r.read_by(decode) for r in found] if decode else found

        return View(f"{kind.__name__.lower()} {name or 'messages'}", look, self._until_true)

    def _now(self) -> datetime:
        return self._stage.clock.now()

    def _named(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    async def _is_at_rest(self) -> bool:
        return await self._stage.is_at_rest(self.services, self._transports)

    async def _until_true(self, is_true: Callable[[], bool], what: str) -> None:
        async def check() -> bool:
            self._raise_failure()
            return is_true()

        await self._until(check, what)

    async def _until(
        self,
        is_true: Callable[[], Any],
        what: str = "rest",
        within: Duration | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        patience = self._patience if within is None else parse_duration(within).total_seconds()
        deadline, turns = loop.time() + patience, 0
        while not await is_true():
            if loop.time() > deadline:
                self._raise_failure()
                raise NotSettledError(self._unsettled(what, patience))
            turns += 1
            await asyncio.sleep(0 if turns < _TURNS else _GLANCE)

    def _unsettled(self, what: str, patience: float) -> str:
        busy = [f"{s.name} has {s.busy} under way" for s in self.services if s.busy]
        missing = [f"nobody consumes {queue}" for s in self.services for queue in s.missing]
        still = "; ".join([*busy, *missing]) or "nothing is being handled"
        return f"no {what} within {patience:g}s: {still}.\n{self.timeline}"

    def _raise_failure(self) -> None:
        if not self._journal.failures:
            return
        failure, *more = self._journal.failures
        self._journal.failures.clear()
        error = failure.error
        others = f", and {len(more)} more failed" if more else ""
        error.add_note(
            f"Raised while {failure.consumer} handled {failure.type} {failure.message_id}, run "
            f"{failure.attempt}{others}. If the test means it to: harness.expect("
            f"{type(error).__name__})."
        )
        raise error

    def _explain(self, error: Exception) -> None:
        if not isinstance(error, NotSettledError):
            error.add_note(self.timeline)


def _is_by(record: Record[Any], by: By | None) -> bool:
    match by:
        case None:
            return True
        case Service():
            return record.service == by.name
        case Consumer():
            name = by.name
        case type():
            name = by.__name__
        case _:
            name = by
    if isinstance(record, Received):
        return name in (record.consumer, record.service)
    return name == record.service


def _check(services: tuple[object, ...]) -> None:
    problems = []
    if not services:
        problems.append("there is no service: ServiceHarness(service, ...)")
    for service in services:
        if not isinstance(service, Service):
            problems.append(f"{service!r} is no toolkit.Service")
        elif services.count(service) > 1:
            problems.append(f"'{service.name}' is there twice; for two processes make two of it")
        elif service.is_running:
            problems.append(f"'{service.name}' is running already; the harness starts it")
    if problems:
        raise ConfigurationError("These services can't be tested", list(dict.fromkeys(problems)))
