"""A thousand orders at once, while the mail server fails for a third of them."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from demo.mail_server import MAILBOX_BUSY, NO_SUCH_MAILBOX
from demo.shop import Order
from demo.stage import Stage, raised
from tests.samples.wire import Wire
from toolkit.testing.broker.keeper import Keeper

T = TypeVar("T")

ORDERS = 1000
AT_ONCE = 50
PATIENCE = 120.0  # seconds, for a machine that has other things to do; alone it takes 17 in all
DEAD = "notifications.send-confirmation.dead"
LEFT_EMPTY = (
    "notifications.send-confirmation",
    "notifications.delay.1s",
    "notifications.parked",
    "orders.mark-notified",
    "orders.mark-notified.dead",
    DEAD,
)


async def test_every_order_ends_notified_or_as_a_dead_letter_and_none_is_mailed_twice(
    tmp_path: Path, broker_url: str, wire: Wire
) -> None:
    customers = [f"customer-{number}@example.com" for number in range(ORDERS)]
    refused, delayed = set(customers[0::6]), set(customers[3::6])
    assert len(refused) + len(delayed) == 334  # a third of the mails

    with Keeper() as keeper:
        quick = json.dumps(["1s", "1s"])
        async with raised(broker_url, tmp_path, keeper, NOTIFICATIONS_RETRY_AFTER=quick) as stage:
            for customer in refused:
                stage.mail_server.refuse(customer, NO_SUCH_MAILBOX)
            for customer in delayed:
                stage.mail_server.refuse(customer, MAILBOX_BUSY, times=2)
            placed = await place_all(stage, customers)
            dead = await wire.until_many_in(DEAD, len(refused), within=PATIENCE)
            seen = await see_all_settled(stage, placed, unheard=refused)

    notified = {order["customer_email"] for order in seen if order["customer_notified"]}
    assert notified == set(customers) - refused
    assert sorted(letter.body["customer_email"] for letter in dead) == sorted(refused)
    assert Counter(mail.recipient for mail in stage.mail_server.mails) == Counter(notified)
    tries = Counter(attempt.recipient for attempt in stage.mail_server.tries)
    assert all(tries[customer] == 3 for customer in delayed)
    assert [wire.count(queue) for queue in LEFT_EMPTY] == [0] * len(LEFT_EMPTY)


async def place_all(stage: Stage, customers: list[str]) -> list[Order]:
    """As fast as HTTP takes them."""
    return await for_all(
        customers, lambda customer: stage.shop.order(customer, "Cup", quantity=1, price="8.00")
    )


async def see_all_settled(stage: Stage, placed: list[Order], *, unheard: set[str]) -> list[Order]:
    """Every order as HTTP shows it in the end."""
    mails = ORDERS - len(unheard)
    await stage.mail_server.until(lambda: len(stage.mail_server.mails) >= mails, within=PATIENCE)

    async def see(order: Order) -> Order:
        if order["customer_email"] in unheard:
            return await stage.shop.look_at(order)
        return await stage.shop.until_notified(order, within=PATIENCE)

    return await for_all(placed, see)


async def for_all(things: Iterable[T], ask: Callable[[T], Awaitable[Order]]) -> list[Order]:
    """The answer for each, many at a time."""
    waiting, answers = iter(things), list[Order]()

    async def keep_asking() -> None:
        for thing in waiting:
            answers.append(await ask(thing))

    await asyncio.gather(*(keep_asking() for _ in range(AT_ONCE)))
    return answers
