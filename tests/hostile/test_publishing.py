"""Publishes that can't go through, alone and among many that can."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.hostile.management import VirtualHost
from tests.hostile.proxy import Proxy
from tests.hostile.shop import Audited, OrderPlaced, Orders, ShipOrder, Shouted, Take, shop_service
from tests.hostile.waiting import answer, eventually
from tests.hostile.wire import Wire
from toolkit import (
    ContractError,
    MessageTooLargeError,
    PublishReport,
    PublishTimeoutError,
    RefusedError,
    TransportError,
    UnroutableError,
)
from toolkit.transport.port import MOST_WAITING

ALL = "everything"
MIB = 1024 * 1024


@pytest.fixture
async def orders(amqp_url: str, virtual_host: VirtualHost) -> AsyncIterator[Orders]:
    """A producer whose placed orders end in the queue `everything`."""
    async with shop_service(amqp_url, producers=[Orders], publish_timeout="10s") as service:
        virtual_host.add_queue(ALL, x_queue_type="quorum")
        virtual_host.bind(ALL, "orders.placed")
        yield Orders(service)


def numbers_in(wire: Wire, queue: str) -> list[int]:
    """All the orders that have arrived, in their order."""
    bodies = [raw.body for raw in iter(lambda: wire.get(queue), None)]
    return [OrderPlaced.model_validate_json(body).number for body in bodies]


async def test_a_command_that_nobody_handles_is_an_error_that_names_it(orders: Orders) -> None:
    """A mistyped name must not swallow what somebody wanted done."""
    with pytest.raises(UnroutableError, match=r"'commands'.*'orders\.ship'") as caught:
        await orders.shipped(ShipOrder(number=1), message_id="ship-1")
    assert (caught.value.exchange, caught.value.routing_key) == ("commands", "orders.ship")
    assert caught.value.message_id == "ship-1"


async def test_a_required_event_without_a_subscriber_is_an_error(orders: Orders) -> None:
    """That is what `required=True` says."""
    with pytest.raises(UnroutableError, match=r"orders\.audited"):
        await orders.audited(Audited(number=1))


async def test_an_event_without_a_subscriber_is_published_and_told_once(
    orders: Orders, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is legitimate; one line for the type is enough."""
    for number in range(3):
        assert await orders.shouted(Shouted(number=number))
    told = capsys.readouterr()
    assert (told.out + told.err).count("nobody subscribes") == 1


async def test_one_missing_exchange_hurts_none_of_1000_in_flight(
    orders: Orders, wire: Wire, virtual_host: VirtualHost
) -> None:
    """The broker closes the channel over it; the innocents are confirmed all the same."""
    virtual_host.delete_exchange("commands")
    results = await asyncio.gather(
        *(orders.placed(OrderPlaced(number=number)) for number in range(500)),
        orders.shipped(ShipOrder(number=1)),
        *(orders.placed(OrderPlaced(number=number)) for number in range(500, 1_000)),
        return_exceptions=True,
    )
    assert isinstance(results[500], RefusedError)
    assert "no exchange 'commands'" in str(results[500])
    assert all(isinstance(result, str) for result in results[:500] + results[501:])
    assert set(numbers_in(wire, ALL)) == set(range(1_000))


async def test_a_message_that_the_broker_can_not_stand_hurts_none_of_300_in_flight(
    orders: Orders, wire: Wire
) -> None:
    """The broker closes the channel without naming it, so it is found by trying alone."""
    guilty = {number: {"CC": "no list"} for number in (50, 150, 250)}
    results = await asyncio.gather(
        *(orders.placed(OrderPlaced(number=n), headers=guilty.get(n)) for n in range(300)),
        return_exceptions=True,
    )
    refused = {n for n, result in enumerate(results) if isinstance(result, RefusedError)}
    assert refused == guilty.keys()
    assert set(numbers_in(wire, ALL)) == set(range(300)) - guilty.keys()


async def test_a_full_queue_refuses_and_many_says_which(
    orders: Orders, wire: Wire, virtual_host: VirtualHost
) -> None:
    """Confirmed plus refused is all; the positions fit what is in the queue."""
    virtual_host.delete_queue(ALL)
    virtual_host.add_queue(
        ALL, x_queue_type="classic", x_max_length=30, x_overflow="reject-publish"
    )
    virtual_host.bind(ALL, "orders.placed")
    report = await orders.placed.many((OrderPlaced(number=n) for n in range(200)), window=5)
    refused = {failure.position for failure in report.failures}
    assert {type(failure.error) for failure in report.failures} == {RefusedError}
    assert report.confirmed == 200 - len(refused)
    assert set(numbers_in(wire, ALL)) == set(range(200)) - refused


async def test_a_channel_that_was_told_no_is_replaced_once_it_is_idle(
    orders: Orders, wire: Wire, virtual_host: VirtualHost
) -> None:
    """What is under way on it meanwhile, to another queue, is confirmed and arrives once."""
    virtual_host.delete_queue(ALL)
    virtual_host.add_queue(ALL, x_queue_type="classic", x_max_length=1, x_overflow="reject-publish")
    virtual_host.bind(ALL, "orders.placed")
    virtual_host.add_queue("others", x_queue_type="quorum")
    virtual_host.bind("others", "orders.shouted")
    service: Any = orders.sending._hand_over.__self__  # type: ignore[attr-defined]
    publisher = service._transport._publisher
    first = publisher._channel
    full, free = await asyncio.gather(
        orders.placed.many((OrderPlaced(number=n) for n in range(100)), window=20),
        orders.shouted.many((Shouted(number=n) for n in range(100)), window=20),
    )
    assert full.failures
    assert free.confirmed == 100
    assert sorted(numbers_in(wire, "others")) == list(range(100))
    await orders.shouted(Shouted(number=100))
    await eventually(lambda: not first.is_open)
    assert publisher._channel is not first
    assert publisher._channel.is_open


async def turns() -> None:
    """As many of the event loop as a publish needs to be under way."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("lane", ["fast", "plain"])
async def test_an_id_that_was_given_up_is_waited_for(
    amqp_url: str, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first publish is still under way, and a return would name both."""
    monkeypatch.setenv("TOOLKIT_LANE", lane)
    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, Take(), producers=[Orders]) as service,
    ):
        orders = Orders(service)
        proxy.hold()
        first = asyncio.create_task(orders.shipped(ShipOrder(number=1), message_id="one"))
        await turns()
        first.cancel()
        again = [
            asyncio.create_task(orders.shipped(ShipOrder(number=1), message_id="one"))
            for _ in range(2)
        ]
        await turns()
        proxy.resume()
        for publishing in again:
            with pytest.raises(UnroutableError):
                await publishing


async def test_many_reports_each_failure_by_its_position(orders: Orders, wire: Wire) -> None:
    """Unencodable, wrong, and too large in the middle; everything around them is confirmed."""
    messages = [OrderPlaced(number=number) for number in range(100)]
    messages[30] = ShipOrder(number=30)  # type: ignore[call-overload]
    messages[60] = None  # type: ignore[call-overload]
    report = await orders.placed.many(messages)
    assert [failure.position for failure in report.failures] == [30, 60]
    assert all(isinstance(failure.error, ContractError) for failure in report.failures)
    assert report.confirmed == 98
    assert set(numbers_in(wire, ALL)) == set(range(100)) - {30, 60}
    with pytest.raises(ExceptionGroup, match="2 of 100"):
        report.raise_for_failures()


async def test_an_error_of_the_source_is_raised_once_what_was_under_way_is_confirmed(
    orders: Orders, wire: Wire
) -> None:
    """A generator that breaks off leaves no publish in the air."""

    def source() -> Iterator[OrderPlaced]:
        yield from (OrderPlaced(number=number) for number in range(500))
        raise LookupError("no more orders")

    with pytest.raises(LookupError, match="no more orders"):
        await orders.placed.many(source())
    assert set(numbers_in(wire, ALL)) == set(range(500))


async def test_a_cancelled_many_leaves_the_producer_as_it_was(orders: Orders) -> None:
    """Giving up in the middle of 256 publishes costs nobody else a channel."""

    async def for_ever() -> AsyncIterator[OrderPlaced]:
        number = 0
        while True:
            yield OrderPlaced(number=(number := number + 1))

    many = asyncio.create_task(orders.placed.many(for_ever()))
    others = await orders.placed.many(OrderPlaced(number=number) for number in range(500))
    many.cancel()
    with pytest.raises(asyncio.CancelledError):
        await many
    assert others.confirmed == 500
    assert await orders.placed(OrderPlaced(number=1))


async def test_cancelled_callers_take_nobody_with_them(orders: Orders, wire: Wire) -> None:
    """Of 1,000 in flight every third gives up; all the others are confirmed."""
    calls = [
        asyncio.create_task(orders.placed(OrderPlaced(number=number))) for number in range(1_000)
    ]
    await calls[0]
    for call in calls[::3]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, str) for at, result in enumerate(results) if at % 3)
    assert {number for number in range(1_000) if number % 3} <= set(numbers_in(wire, ALL))


async def test_two_publishes_with_one_id_each_get_their_own_answer(
    orders: Orders, wire: Wire
) -> None:
    """A return is matched by id, so a command that fails must not fail an event."""
    results = await asyncio.gather(
        *(orders.placed(OrderPlaced(number=number), message_id="same") for number in range(20)),
        *(orders.shipped(ShipOrder(number=number), message_id="same") for number in range(20)),
        return_exceptions=True,
    )
    assert results[:20] == ["same"] * 20
    assert {type(result) for result in results[20:]} == {UnroutableError}
    assert sorted(numbers_in(wire, ALL)) == list(range(20))


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(amqp_url: str) -> None:
    """The limit is the service's own here; nothing else on the channel notices."""
    async with shop_service(amqp_url, producers=[Orders], max_body=10) as service:
        orders = Orders(service)
        with pytest.raises(MessageTooLargeError, match="over TOOLKIT_MAX_BODY, 10"):
            await orders.shouted(Shouted(number=123_456_789))


@pytest.mark.parametrize("size", [130_500, 130_900, 131_072, 200_000, 2 * MIB])
async def test_headers_around_the_size_of_a_frame_are_sent_whole_or_not_at_all(
    orders: Orders, wire: Wire, size: int
) -> None:
    """Over the limit the broker would close the connection under everybody."""
    headers = {"huge": "v" * size}
    try:
        await orders.placed(OrderPlaced(number=1), headers=headers)
    except MessageTooLargeError:
        assert wire.get(ALL) is None
    else:
        arrived = await answer(lambda: wire.get(ALL))
        assert arrived.text("huge") == headers["huge"]
    assert await orders.placed(OrderPlaced(number=2))


def within_itself() -> dict[str, object]:
    """A table that can't be written down to its end."""
    table: dict[str, object] = {}
    table["h"] = table
    return table


UNSENDABLE = {
    "a set": {"h": {1, 2}},
    "an object": {"h": object()},
    "a number of 65 bits": {"h": 2**64},
    "not a number": {"h": float("nan")},
    "infinity": {"h": [float("inf")]},
    "half a character": {"h": "\ud800"},
    "a name that is half a character": {"\ud800": 1},
    "a name inside that is no text": {"h": {1: 2}},
    "an empty name": {"": 1},
    "a name of 256 bytes": {"k" * 256: 1},
    "a name of the broker's": {"x-death": []},
    "a table within itself": within_itself(),
}


@pytest.mark.parametrize("headers", UNSENDABLE.values(), ids=UNSENDABLE)
async def test_headers_that_can_not_be_sent_are_the_callers_error(
    orders: Orders, wire: Wire, headers: dict[str, object]
) -> None:
    """Nothing is sent, nothing is retried, and the next publish goes through."""
    with pytest.raises(ContractError):
        await orders.placed(OrderPlaced(number=1), headers=headers)
    await orders.placed(OrderPlaced(number=2))
    assert numbers_in(wire, ALL) == [2]


@pytest.mark.parametrize("name", ["message_id", "correlation_id"])
@pytest.mark.parametrize("text", ["i" * 256, "\ud800"], ids=["256 bytes", "half a character"])
async def test_ids_that_can_not_be_sent_are_the_callers_error(
    orders: Orders, name: str, text: str
) -> None:
    """AMQP has 255 bytes of UTF-8 for them."""
    given: dict[str, str] = {name: text}
    with pytest.raises(ContractError, match=name):
        await orders.placed(OrderPlaced(number=1), **given)  # type: ignore[arg-type]


@pytest.fixture
async def remote(amqp_url: str) -> AsyncIterator[tuple[Proxy, Orders]]:
    """A producer, and the way between it and its broker."""
    async with (
        Proxy.before(amqp_url) as proxy,
        shop_service(proxy.url, producers=[Orders]) as service,
    ):
        yield proxy, Orders(service)


async def test_a_publish_into_silence_ends_with_its_timeout(remote: tuple[Proxy, Orders]) -> None:
    """Nobody knows whether it arrived, and the error says so."""
    proxy, orders = remote
    proxy.hold()
    with pytest.raises(PublishTimeoutError) as caught:
        async with asyncio.timeout(3):
            await orders.shouted(Shouted(number=1), timeout="200ms")
    assert caught.value.may_have_arrived
    proxy.resume()
    assert await orders.shouted(Shouted(number=2), timeout="10s")


async def test_a_publish_without_a_connection_ends_with_its_timeout(
    remote: tuple[Proxy, Orders],
) -> None:
    """It was certainly not sent, and the error says so."""
    proxy, orders = remote
    proxy.close()
    report = await orders.placed.many(
        [OrderPlaced(number=number) for number in range(3)], timeout="500ms"
    )
    assert [failure.position for failure in report.failures] == [0, 1, 2]
    with pytest.raises(PublishTimeoutError) as caught:
        await orders.placed(OrderPlaced(number=4), timeout="300ms")
    assert not caught.value.may_have_arrived


async def test_an_outage_does_not_fill_the_memory(remote: tuple[Proxy, Orders]) -> None:
    """Beyond a number of them, a publish is refused at once; those that wait are none the worse."""
    proxy, orders = remote
    proxy.close()
    with pytest.raises(PublishTimeoutError):  # by now the loss has been noticed
        await orders.shouted(Shouted(number=0), timeout="500ms")
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(orders.shouted(Shouted(number=number), timeout="30s"))
            for number in range(MOST_WAITING)
        ]
        await asyncio.wait(waiting, timeout=0.1)
        with pytest.raises(RefusedError, match="10,000 publishes wait for it; it was not sent"):
            await orders.shouted(Shouted(number=1))
        proxy.reopen()
    assert all(task.result() for task in waiting)


async def test_a_publish_waits_for_the_connection_to_come_back(
    remote: tuple[Proxy, Orders],
) -> None:
    """Within its timeout the caller sees nothing of a cut."""
    proxy, orders = remote
    proxy.close()
    call = asyncio.create_task(orders.shouted(Shouted(number=1)))
    await asyncio.wait({call}, timeout=0.1)
    assert not call.done()
    proxy.reopen()
    assert await call


async def test_timeouts_of_3_ms_report_no_success_that_was_none(orders: Orders, wire: Wire) -> None:
    """Of 300 at once every confirmed one is in the queue; an unconfirmed one may be."""
    results = await asyncio.gather(
        *(orders.placed(OrderPlaced(number=n), timeout="3ms") for n in range(300)),
        return_exceptions=True,
    )
    failures = [result for result in results if not isinstance(result, str)]
    assert all(isinstance(failure, PublishTimeoutError) for failure in failures)
    confirmed = {n for n, result in enumerate(results) if isinstance(result, str)}
    await orders.placed(OrderPlaced(number=300))
    assert confirmed | {300} <= set(numbers_in(wire, ALL))


async def test_many_that_is_overtaken_by_the_shutdown_reports_what_was_confirmed(
    amqp_url: str,
) -> None:
    """The rest is reported by position, or the call fails as a single publish would."""
    async with shop_service(amqp_url, producers=[Orders]) as service:
        orders = Orders(service)
        many = asyncio.create_task(
            orders.shouted.many((Shouted(number=n) for n in range(20_000)), timeout="1s")
        )
        await asyncio.wait({many}, timeout=0.2)
    try:
        report = await many
    except TransportError:
        return
    assert isinstance(report, PublishReport)
    assert report.confirmed + len(report.failures) == 20_000
