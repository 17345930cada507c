"""Declarative producers: a class that says what a service publishes and sends.

Receives messages from the user's code, hands them to the sending pipeline.
"""

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, overload

from toolkit.errors import ContractError, PublishError, TransportError
from toolkit.messages.contract import Command, Contract, Event, Message, contract_of
from toolkit.messages.outgoing import SendOptions
from toolkit.policies.duration import Duration, parse_optional
from toolkit.sending.pipeline import NO_OPTIONS, Route, SendPipeline

M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=Command)

WINDOW = 256
"""How many publishes `many` keeps unconfirmed; 100 to 300 is the broker's usual optimum."""


_NOTHING_GIVEN = (None,) * 6


class Publishing(Protocol):
    """What a producer is made with: a service."""

    def sending_for(self, producer: type["Producer"]) -> SendPipeline:
        """The running pipeline. Raises `ConfigurationError` for an undeclared producer."""
        ...


@dataclass(frozen=True, slots=True)
class NotConfirmed:
    """One message of `many` that the broker did not take, or not provably."""

    position: int
    message_id: str | None
    error: PublishError | ContractError | TransportError


@dataclass(slots=True)
class PublishReport:
    """What became of the messages of one `many`.

    `confirmed` is how many the broker took, `failures` lists the others, by position from 0.
    """

    confirmed: int = 0
    failures: list[NotConfirmed] = field(default_factory=list)

    def raise_for_failures(self) -> None:
        """Raises an `ExceptionGroup` of every failure, if there is one."""
        if self.failures:
            raise ExceptionGroup(
                f"{len(self.failures)} of {self.confirmed + len(self.failures)} messages were "
                "not confirmed",
                [failure.error for failure in self.failures],
            )


class Outlet(Generic[M]):
    """One declared message type of one producer, ready to publish."""

    def __init__(self, producer: "Producer", model: type[M]) -> None:
        self._producer = producer
        self._model = model

    async def __call__(
        self,
        message: M,
        *,
        message_id: str | None = None,
        correlation_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        priority: int | None = None,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
    ) -> str:
        """Publishes one message; returns its id once the broker has confirmed.

        Without `message_id` it gets a random one; give a derived id where the same fact may be
        published twice. Raises `UnroutableError`, `RefusedError`, `MessageTooLargeError`, or
        after `timeout` `PublishTimeoutError`.
        """
        options = NO_OPTIONS
        if (message_id, correlation_id, headers, priority, ttl, timeout) != _NOTHING_GIVEN:
            options = SendOptions(
                message_id=message_id,
                correlation_id=correlation_id,
                headers=headers,
                priority=priority,
                ttl=parse_optional(ttl),
                timeout=parse_optional(timeout),
            )
        if not isinstance(message, self._model):
            raise self._misplaced(message)
        return await self._producer.sending.send(message, options)

    async def many(
        self,
        messages: Iterable[M] | AsyncIterable[M],
        *,
        window: int = WINDOW,
        correlation_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        priority: int | None = None,
        ttl: Duration | None = None,
        timeout: Duration | None = None,
    ) -> PublishReport:
        """Publishes all messages, at most `window` unconfirmed at a time.

        Reads no further ahead than that. A message that is not taken is reported by its position
        and stops nobody else. An error of `messages` itself is raised once what was under way
        has been confirmed.
        """
        if window < 1:
            raise ValueError(f"window must be 1 or more, not {window}")
        options = SendOptions(
            correlation_id=correlation_id,
            headers=headers,
            priority=priority,
            ttl=parse_optional(ttl),
            timeout=parse_optional(timeout),
        )
        batch = _Batch(lambda message: self._send(message, options), messages)
        if isinstance(messages, Sequence):
            window = min(window, len(messages))
        async with asyncio.TaskGroup() as group:
            for _ in range(window):
                group.create_task(batch.drain())
        report = batch.report
        report.failures.sort(key=lambda failure: failure.position)
        if batch.error is not None:
            batch.error.add_note(f"{report.confirmed} messages were confirmed before")
            raise batch.error
        return report

    async def _send(self, message: M, options: SendOptions) -> None:
        if not isinstance(message, self._model):
            raise self._misplaced(message)
        await self._producer.sending.send(message, options)

    def _misplaced(self, message: object) -> ContractError:
        return ContractError(
            f"{type(self._producer).__name__} publishes {self._model.__name__} here, "
            f"not {type(message).__name__}"
        )


class _Batch(Generic[M]):
    """The messages of one `many`, from either kind of iterable, for many readers at once.

    An error of the iterable's own ends it, and is kept.
    """

    def __init__(
        self,
        publish: Callable[[M], Awaitable[None]],
        messages: Iterable[M] | AsyncIterable[M],
    ) -> None:
        self.report = PublishReport()
        self.error: Exception | None = None
        self._publish = publish
        self._at_hand: Iterator[tuple[int, M]] = iter(())
        self._coming: AsyncIterator[tuple[int, M]] | None = None
        self._turn = asyncio.Lock()
        if isinstance(messages, AsyncIterable):
            self._coming = self._number_coming(aiter(messages))
        else:
            self._at_hand = self._number(iter(messages))

    async def drain(self) -> None:
        """Reads a message and publishes it, until there are no more."""
        for position, message in self._at_hand:
            await self._publish_one(position, message)
        while (found := await self._next_coming()) is not None:
            await self._publish_one(*found)

    async def _publish_one(self, position: int, message: M) -> None:
        try:
            await self._publish(message)
            self.report.confirmed += 1
        except (PublishError, ContractError, TransportError) as error:
            message_id = getattr(error, "message_id", None)
            self.report.failures.append(NotConfirmed(position, message_id, error))

    async def _next_coming(self) -> tuple[int, M] | None:
        if self._coming is None:
            return None
        async with self._turn:  # a generator can't be asked twice at once
            return await anext(self._coming, None)

    def _number(self, messages: Iterator[M]) -> Iterator[tuple[int, M]]:
        try:
            yield from enumerate(messages)
        except Exception as error:  # noqa: BLE001 - the caller's own; raised by `many`
            self.error = error

    async def _number_coming(self, messages: AsyncIterator[M]) -> AsyncIterator[tuple[int, M]]:
        position = 0
        try:
            async for message in messages:
                yield position, message
                position += 1
        except Exception as error:  # noqa: BLE001 - as above
            self.error = error


class _Declared(Generic[M]):
    """A message type as an attribute of a producer."""

    kind: ClassVar[str]

    def __init__(self, model: type[M], **options: Any) -> None:
        self.model = model
        self.options = options
        self.name = ""

    def __set_name__(self, owner: type["Producer"], name: str) -> None:
        self.name = name

    def problems(self) -> Iterator[str]:
        """What can't work, one sentence each."""
        model: object = self.model
        if not (isinstance(model, type) and issubclass(model, Message)):
            yield f"{self.name}: {model!r} is not a message class"
            return
        try:
            contract = contract_of(self.model)
        except ContractError as error:
            yield f"{self.name}: {error}"
            return
        if contract.kind != self.kind:
            other = "Sends" if contract.kind == "command" else "Publishes"
            yield f"{self.name}: {self.model.__name__} is a {contract.kind}; use {other}(...)"
        try:
            self.route()
        except (ValueError, ContractError) as error:
            yield f"{self.name}: {error}"

    @property
    def contract(self) -> Contract:
        """What is published here."""
        return contract_of(self.model)

    def route(self) -> Route:
        """Where it goes."""
        return Route.of(
            self.contract,
            is_required=self.options.get("required", False),
            priority=self.options.get("priority"),
            ttl=parse_optional(self.options.get("ttl")),
        )

    @overload
    def __get__(self, instance: None, owner: type["Producer"]) -> Self: ...
    @overload
    def __get__(self, instance: "Producer", owner: type["Producer"]) -> Outlet[M]: ...
    def __get__(self, instance: "Producer | None", owner: type["Producer"]) -> "Self | Outlet[M]":
        if instance is None:
            return self
        outlet = Outlet(instance, self.model)
        instance.__dict__[self.name] = outlet  # found first from now on: no descriptor call
        return outlet


class Publishes(_Declared[E]):
    """An event that a producer announces.

    `required` makes it an error that nobody subscribes. `ttl` and `priority` are the defaults
    of this type, and can be given anew for each message.
    """

    kind = "event"

    def __init__(
        self,
        model: type[E],
        *,
        required: bool = False,
        ttl: Duration | None = None,
        priority: int | None = None,
    ) -> None:
        super().__init__(model, required=required, ttl=ttl, priority=priority)


class Sends(_Declared[C]):
    """A command that a producer sends to the one service that handles it."""

    kind = "command"

    def __init__(
        self, model: type[C], *, ttl: Duration | None = None, priority: int | None = None
    ) -> None:
        super().__init__(model, ttl=ttl, priority=priority)


class Producer:
    """Declares what a service publishes.

        class OrderEvents(Producer):
            placed = Publishes(OrderPlaced)

        events = OrderEvents(service)
        await events.placed(OrderPlaced(...))

    What is published through a producer goes out at once. Inside a handler use the context,
    which holds messages until the handler has returned.
    """

    def __init__(self, service: Publishing) -> None:
        self.sending = service.sending_for(type(self))

    @classmethod
    def declared(cls) -> tuple[_Declared[Any], ...]:
        """The declarations of this class and its bases."""
        found = {
            name: value
            for base in reversed(cls.__mro__)
            for name, value in vars(base).items()
            if isinstance(value, _Declared)
        }
        return tuple(found.values())

    @classmethod
    def problems(cls) -> Iterator[str]:
        """What can't work in this class, one sentence each."""
        for declared in cls.declared():
            for problem in declared.problems():
                yield f"{cls.__name__}.{problem}"
