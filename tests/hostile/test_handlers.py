"""Handlers that do what no handler should."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from pydantic import field_validator

from tests.hostile.shop import FAILING, GOOD, NAME, OrderPlaced, shop_service
from tests.hostile.waiting import answer, eventually
from tests.hostile.wire import Wire
from toolkit import Consumer, Context, Event, Retry


class UnheardOf(BaseException):
    """What a library may raise that wants to be caught by nobody."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("there are no words for it")


class Strict(Event, name="orders.strict"):
    number: int

    @field_validator("number")
    @classmethod
    def _fail(cls, value: int) -> int:
        return {1: 1}[value]  # a KeyError, which pydantic doesn't expect of a validator


async def raise_base_exception(_: Context) -> None:
    raise UnheardOf("out of my way")


async def raise_generator_exit(_: Context) -> None:
    raise GeneratorExit


async def raise_group_of_base_exceptions(_: Context) -> None:
    raise BaseExceptionGroup("both", [UnheardOf(), ValueError()])


async def cancel_itself(_: Context) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def let_a_cancellation_out(_: Context) -> None:
    raise asyncio.CancelledError


async def raise_without_words(_: Context) -> None:
    raise Unspeakable


async def raise_in_circles(_: Context) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


async def raise_far_too_much(_: Context) -> None:
    raise ValueError("\ud800" * 5_000_000)


async def recurse(_: Context) -> None:
    await recurse(_)


async def stop_iterating(_: Context) -> None:
    raise StopAsyncIteration


async def publish_what_is_no_header(context: Context) -> None:
    await context.publish(OrderPlaced(number=1), headers={"set": {1, 2}})


async def publish_what_is_no_number(context: Context) -> None:
    await context.publish(OrderPlaced(number=1), headers={"nan": float("nan")})


async def publish_far_too_many_headers(context: Context) -> None:
    await context.publish(OrderPlaced(number=1), headers={"huge": "v" * 200_000})


class Misbehave(Consumer[OrderPlaced]):
    """Good for positive numbers only."""

    retry = Retry(immediately=1, after=())
    concurrency = 2

    def __init__(self, deed: Callable[[Context], Awaitable[None]]) -> None:
        self._deed = deed
        self.tried: list[int] = []

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        self.tried.append(message.number)
        if message.number < 0:
            await self._deed(context)


DEEDS = [
    raise_base_exception,
    raise_generator_exit,
    raise_group_of_base_exceptions,
    cancel_itself,
    let_a_cancellation_out,
    raise_without_words,
    raise_in_circles,
    raise_far_too_much,
    recurse,
    stop_iterating,
    publish_what_is_no_header,
    publish_what_is_no_number,
    publish_far_too_many_headers,
]


@pytest.fixture
def stranger(besieged_url: str) -> Iterator[Wire]:
    with Wire.connected(besieged_url) as wire:
        yield wire


@pytest.mark.parametrize("deed", DEEDS)
async def test_whatever_a_handler_does_its_message_is_dead_lettered_and_its_slot_goes_on(
    besieged_url: str, stranger: Wire, deed: Callable[[Context], Awaitable[None]]
) -> None:
    """Three such messages for two slots; then a good one."""
    consumer = Misbehave(deed)
    async with shop_service(besieged_url, consumer):
        for _ in range(3):
            stranger.publish("events", NAME, {}, FAILING)
        for _ in range(3):
            dead = await answer(lambda: stranger.get("shop.misbehave.dead"))
            assert dead.text("dead-reason") == "failed"
        stranger.publish("events", NAME, {}, GOOD)
        await eventually(lambda: 1 in consumer.tried)
    assert consumer.tried.count(-1) <= 6


class Validate(Consumer[Strict]):
    def __init__(self) -> None:
        self.handled: list[int] = []

    async def handle(self, message: Strict, context: Context) -> None:
        self.handled.append(message.number)


async def test_a_validator_that_breaks_makes_a_message_undecodable(
    besieged_url: str, stranger: Wire
) -> None:
    """Whatever comes out of it, it says that these bytes are not what the contract says."""
    consumer = Validate()
    async with shop_service(besieged_url, consumer):
        stranger.publish("events", b"orders.strict", {}, FAILING)
        stranger.publish("events", b"orders.strict", {}, GOOD)
        dead = await answer(lambda: stranger.get("shop.validate.dead"))
        assert dead.text("dead-reason") == "undecodable"
        await eventually(lambda: consumer.handled == [1])


class Leave(Consumer[OrderPlaced]):
    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        raise self._error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_handler_can_end_its_process(
    amqp_url: str, wire: Wire, error: type[BaseException]
) -> None:
    """These two are for whoever runs the loop, and reach them; the message stays queued."""

    async def run() -> None:
        async with shop_service(amqp_url, Leave(error)):
            wire.publish("events", NAME, {}, GOOD)
            await asyncio.Event().wait()

    with pytest.raises(error):
        asyncio.run(run())
    left = asyncio.run(answer(lambda: wire.get("shop.leave")))
    assert left.body == GOOD
