"""Many messages at once: a window of confirms, the order kept, and a report by position."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.orders import OrderCancelled, OrderPlaced
from tests.unit.postbox import Postbox
from tests.unit.sending.pipelines import Shop
from toolkit import ContractError, Producer, Publishes, PublishReport, RefusedError
from toolkit.sending.producer import Outlet


class OrderEvents(Producer):
    """What the orders service announces."""

    placed = Publishes(OrderPlaced)


def outlet(postbox: Postbox) -> Outlet[OrderPlaced]:
    return OrderEvents(Shop(postbox)).placed


def orders(count: int) -> list[OrderPlaced]:
    return [OrderPlaced(order_id=number) for number in range(count)]


async def one_by_one(messages: list[OrderPlaced]) -> AsyncIterator[OrderPlaced]:
    for message in messages:
        await asyncio.sleep(0)
        yield message


counts = st.integers(0, 30)
windows = st.integers(1, 40)
turns = st.lists(st.integers(1, 5), min_size=30, max_size=30)


@pytest.mark.parametrize("is_async", [False, True])
@given(count=counts, window=windows, turns=turns)
def test_messages_go_out_in_the_order_in_which_they_came(
    *, count: int, window: int, turns: list[int], is_async: bool
) -> None:
    """However long each confirmation takes, and from either kind of iterable."""

    async def scenario() -> PublishReport:
        source = one_by_one(orders(count)) if is_async else orders(count)
        return await outlet(postbox).many(source, window=window)

    postbox = Postbox(turns=turns.__getitem__)
    report = asyncio.run(scenario())
    bodies = [f'{{"order_id":{number},"note":""}}'.encode() for number in range(count)]
    assert [envelope.body for envelope in postbox.envelopes] == bodies
    assert (report.confirmed, report.failures) == (count, [])


@given(counts, windows, turns)
def test_the_window_is_used_and_never_exceeded(count: int, window: int, turns: list[int]) -> None:
    """As many unconfirmed as allowed, never one more, and nothing is read further ahead."""

    def source() -> Iterator[OrderPlaced]:
        for number, order in enumerate(orders(count)):
            ahead.append(number + 1 - postbox.confirmed)
            yield order

    async def scenario() -> None:
        await outlet(postbox).many(source(), window=window)

    ahead: list[int] = []
    postbox = Postbox(turns=turns.__getitem__)
    asyncio.run(scenario())
    assert postbox.most_unconfirmed == min(window, count)
    assert max(ahead, default=0) == min(window, count)


async def test_what_is_not_taken_is_reported_by_position_and_stops_nobody_else() -> None:
    """Refused by the broker or by us: each failure has its place and its error."""
    postbox = Postbox()
    mixed: list[Any] = [*orders(2), OrderCancelled(order_id=2), *orders(2), "text"]
    report = await outlet(postbox).many(mixed)
    assert report.confirmed == 4
    assert [failure.position for failure in report.failures] == [2, 5]
    assert all(isinstance(failure.error, ContractError) for failure in report.failures)


async def test_a_failure_names_the_message() -> None:
    """Under the id that a second try may use."""
    postbox = Postbox()
    postbox.fail("orders.placed", RefusedError)
    report = await outlet(postbox).many(orders(3), window=2)
    assert report.confirmed == 0
    assert [failure.position for failure in report.failures] == [0, 1, 2]
    ids = [envelope.message_id for envelope in postbox.envelopes]
    assert [failure.message_id for failure in report.failures] == ids


async def test_a_report_raises_all_its_failures_together() -> None:
    """For whoever wants an exception, and only if there is a reason."""
    postbox = Postbox()
    clean = await outlet(postbox).many(orders(2))
    clean.raise_for_failures()
    postbox.fail("orders.placed", RefusedError)
    report = await outlet(postbox).many(orders(2))
    with pytest.raises(ExceptionGroup, match="2 of 2 messages were not confirmed") as caught:
        report.raise_for_failures()
    assert caught.group_contains(RefusedError)


@pytest.mark.parametrize("window", [1, 2, 10])
async def test_an_error_of_the_source_is_raised_once_what_was_under_way_is_confirmed(
    window: int,
) -> None:
    """With a note on how far it came."""

    def source() -> Iterator[OrderPlaced]:
        yield from orders(3)
        raise LookupError("no fourth order")

    postbox = Postbox(turns=lambda _: 3)
    with pytest.raises(LookupError, match="no fourth order") as caught:
        await outlet(postbox).many(source(), window=window)
    assert postbox.confirmed == 3
    assert caught.value.__notes__ == ["3 messages were confirmed before"]


async def test_an_error_of_an_asynchronous_source_is_raised_as_well() -> None:
    """Both kinds of iterable are treated alike."""

    async def source() -> AsyncIterator[OrderPlaced]:
        for order in orders(3):
            yield order
        raise LookupError("no fourth order")

    postbox = Postbox(turns=lambda _: 3)
    with pytest.raises(LookupError, match="no fourth order"):
        await outlet(postbox).many(source(), window=2)
    assert postbox.confirmed == 3


@pytest.mark.parametrize("window", [0, -1])
async def test_a_window_of_nothing_is_refused(window: int) -> None:
    """It would never end."""
    with pytest.raises(ValueError, match="window must be 1 or more"):
        await outlet(Postbox()).many(orders(1), window=window)


async def test_the_options_are_those_of_every_message() -> None:
    """Save the id, which each has for itself."""
    postbox = Postbox()
    await outlet(postbox).many(orders(3), correlation_id="story", priority=2, ttl="1s")
    assert {(e.correlation_id, e.priority, e.expiration) for e in postbox.envelopes} == {
        ("story", 2, "1000")
    }
    assert len({envelope.message_id for envelope in postbox.envelopes}) == 3


async def test_giving_up_stops_reading_and_sending() -> None:
    """A cancelled batch leaves no task behind."""
    postbox = Postbox()
    postbox.close()
    batch = asyncio.create_task(outlet(postbox).many(orders(10), window=3))
    await postbox.until_taken(3)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert len(postbox.taken) == 3
    assert postbox.unconfirmed == 0


async def test_a_few_messages_need_few_tasks() -> None:
    """Not a whole window of them."""
    postbox = Postbox()
    postbox.close()
    before = len(asyncio.all_tasks())
    batch = asyncio.create_task(outlet(postbox).many(orders(2), window=100))
    await postbox.until_taken(2)
    assert len(asyncio.all_tasks()) - before == 3
    postbox.open()
    assert (await batch).confirmed == 2


async def test_what_is_no_iterable_is_refused_at_once() -> None:
    """By Python's own error."""
    with pytest.raises(TypeError, match="not iterable"):
        await outlet(Postbox()).many(OrderPlaced)  # type: ignore[arg-type]
