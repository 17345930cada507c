"""Declarative consumers: a class that says what it takes, how, and what if it fails.

Receives class definitions from users, hands a `Subscription` to the plan and a decoder table to
the pipeline.
"""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from toolkit.errors import ContractError
from toolkit.messages.contract import Message, contract_of
from toolkit.policies.dead_letter import DeadLetters
from toolkit.policies.duration import Duration, parse_duration
from toolkit.policies.kill_switch import KillSwitch
from toolkit.policies.retry import Retry
from toolkit.receiving.context import Context
from toolkit.topology import naming
from toolkit.topology.plan import QueueOptions, Subscription

M = TypeVar("M", bound=Message)

_PREFETCH_PER_SLOT = 4  # enough in reach that a slot never waits for the network
_MOST_UNSETTLED = 65_535  # prefetch is a 16-bit number: AMQP 0-9-1, basic.qos


class Consumer(Generic[M]):
    """Handles the messages of one queue.

        class SendConfirmation(Consumer[OrderPlaced]):
            retry = Retry(immediately=2, after=("1s", "30s"))

            def __init__(self, mailer: Mailer) -> None: ...
            async def handle(self, message: OrderPlaced, context: Context) -> None: ...

    `Consumer[OrderPlaced | OrderCancelled]` takes both types. What follows are attributes of a
    class or of an instance.
    """

    retry: Retry = Retry()
    """When a failed message is tried again."""
    dead_letters: DeadLetters = DeadLetters()
    """How long what was given up is kept."""
    queue: QueueOptions = QueueOptions()
    """The queue; it is called `<service>.<class in kebab case>` unless this says otherwise."""
    concurrency: int = 16
    """How many messages one process handles at a time, and a promise."""
    prefetch: int | None = None
    """How many messages one process holds: four times `concurrency`, unless set."""
    timeout: Duration | None = "5m"
    """For one run of the handler; None means no limit."""
    kill_switch: KillSwitch | None = None
    """Stops the consumer while nearly all of its runs fail."""

    async def handle(self, message: M, context: Context) -> None:
        """Handles one message; returning means done, raising means the retry policy decides."""
        raise NotImplementedError(f"{type(self).__name__} has no `handle`")

    @property
    def name(self) -> str:
        """What logs and dead letters call it."""
        return type(self).__name__


def subscription_of(service: str, consumer: Consumer[Any]) -> Subscription:
    """What a consumer asks of the broker. Check `problems_of` first."""
    return Subscription(
        consumer=consumer.name,
        queue=consumer.queue.name or naming.consumer_queue(service, consumer.name),
        contracts=tuple(contract_of(model) for model in message_types(type(consumer))),
        retry=consumer.retry,
        dead_letters=consumer.dead_letters,
        options=consumer.queue,
    )


def prefetch_of(consumer: Consumer[Any]) -> int:
    """How many messages it holds unsettled."""
    return consumer.prefetch or min(consumer.concurrency * _PREFETCH_PER_SLOT, _MOST_UNSETTLED)


def timeout_of(consumer: Consumer[Any]) -> timedelta | None:
    """How long one run of the handler may take."""
    return None if consumer.timeout is None else parse_duration(consumer.timeout)


def message_types(consumer: type[Consumer[Any]]) -> tuple[type[Message], ...]:
    """The types between the brackets of `Consumer[...]`; none where there are no brackets."""
    for base in consumer.__mro__:
        for generic in base.__dict__.get("__orig_bases__", ()):
            origin = get_origin(generic)
            if isinstance(origin, type) and issubclass(origin, Consumer):
                (argument, *_) = get_args(generic)
                if not isinstance(argument, TypeVar):
                    return _members(argument)
    return ()


def _members(annotation: Any) -> tuple[type[Message], ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def problems_of(consumer: object, *, crash_budget: int) -> Iterator[str]:
    """What can't work in a declaration, one sentence each."""
    if not isinstance(consumer, Consumer):
        is_class = isinstance(consumer, type) and issubclass(consumer, Consumer)
        yield f"{consumer!r} is not a consumer" + ("; pass an instance of it" if is_class else "")
        return
    for problem in (
        *_problems_of_types(type(consumer)),
        *_problems_of_numbers(consumer),
        *_problems_of_policies(consumer, crash_budget),
    ):
        yield f"{consumer.name}: {problem}"


def _problems_of_types(consumer: type[Consumer[Any]]) -> Iterator[str]:
    models: tuple[object, ...] = message_types(consumer)
    if not models:
        yield "names no message; derive from Consumer[YourEvent]"
    for model in models:
        if not (isinstance(model, type) and issubclass(model, Message)):
            yield f"{model!r} is not a message class"
            continue
        try:
            contract_of(model)
        except ContractError as error:
            yield str(error)
    if consumer.handle is Consumer.handle:
        yield "has no `async def handle(self, message, context)`"
    elif not inspect.iscoroutinefunction(consumer.handle):
        yield "`handle` must be `async def`"


def _problems_of_numbers(consumer: Consumer[Any]) -> Iterator[str]:
    numbers: dict[str, object] = {"concurrency": consumer.concurrency}
    if consumer.prefetch is not None:
        numbers["prefetch"] = consumer.prefetch
    problems = [
        f"`{name}` must be a whole number from 1 to {_MOST_UNSETTLED}, not {number!r}"
        for name, number in numbers.items()
        if not isinstance(number, int) or not 1 <= number <= _MOST_UNSETTLED
    ]
    yield from problems
    if not problems and consumer.prefetch is not None and consumer.prefetch < consumer.concurrency:
        yield (
            f"a prefetch of {consumer.prefetch} leaves some of {consumer.concurrency} slots idle; "
            "raise `prefetch` or lower `concurrency`"
        )
    try:
        limit = timeout_of(consumer)
    except ValueError as error:
        yield f"timeout: {error}"
    else:
        if limit is not None and not limit:
            yield "`timeout` must be longer than zero; None means no limit"


def _problems_of_policies(consumer: Consumer[Any], crash_budget: int) -> Iterator[str]:
    for name, kind in (("retry", Retry), ("dead_letters", DeadLetters), ("queue", QueueOptions)):
        value = getattr(consumer, name)
        if not isinstance(value, kind):
            yield f"`{name}` must be a {kind.__name__}, not {value!r}"
    switch: object = consumer.kill_switch
    if not isinstance(switch, KillSwitch | None):
        yield f"`kill_switch` must be a KillSwitch or None, not {switch!r}"
    if isinstance(consumer.queue, QueueOptions):
        yield from consumer.queue.problems(crash_budget)
