"""The story: one order that sails through, one whose mail server is down, one that is poison.

Receives a stage, hands the narrator what happens and whether it was what we said it would be.
"""

from itertools import pairwise
from time import monotonic

from demo.dead_letters import DeadLetter, look_at_one
from demo.mail_server import DOWN, NO_SUCH_MAILBOX, TAKEN
from demo.narrator import Narrator
from demo.shop import Order
from demo.stage import Stage

ADA, BOB, CARL, DORA = (f"{name}@example.com" for name in ("ada", "bob", "carl", "dora"))

_RUNGS = (1.0, 5.0)  # seconds: the first two rungs of the notifications service's ladder
_DEAD = "notifications.send-confirmation.dead"
_SHOWN = (
    "dead-reason",
    "error-type",
    "error-message",
    "error-fingerprint",
    "attempts",
    "first-failed-at",
    "failed-at",
    "failed-service",
    "failed-consumer",
    "failed-queue",
    "original-exchange",
    "original-routing-key",
)


async def tell(stage: Stage, narrator: Narrator) -> None:
    """All three chapters."""
    await _sails_through(stage, narrator)
    await _mail_server_down(stage, narrator)
    await _poison(stage, narrator)


async def _sails_through(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter("1. An order that sails through")
    narrator.say(f"{ADA} orders two packets of Darjeeling: POST /orders.")
    order = await stage.shop.order(ADA, "Darjeeling", quantity=2, price="4.50")
    narrator.say(
        f"The orders service keeps order {_short(order)} in its database, answers 201, and "
        "announces the event orders.placed."
    )
    await stage.mail_server.until(lambda: bool(stage.mail_server.mails_to(ADA)))
    (mail,) = stage.mail_server.mails_to(ADA)
    narrator.say("The notifications service hears of it and writes to the customer. Their mailbox:")
    narrator.show(mail.subject, mail.text.strip())
    order = await stage.shop.until_notified(order)
    narrator.say(
        "It announces customers.notified, and the orders service notes it. "
        f"GET /orders/{_short(order)} now says customer_notified: {order['customer_notified']}."
    )
    narrator.claim(
        "An order placed over HTTP becomes one mail to the customer",
        came_true=len(stage.mail_server.mails_to(ADA)) == 1 and order["order_id"] in mail.text,
    )
    narrator.claim("The order shows that its customer was notified", came_true=_is_notified(order))


async def _mail_server_down(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter("2. An order whose mail server is down for two tries")
    earlier = len(stage.mail_server.tries)
    stage.mail_server.go_down(tries=2)
    narrator.say(f"The mail server will hang up on its next two callers. {BOB} orders a teapot.")
    placed_at = monotonic()
    order = await stage.shop.order(BOB, "Teapot", quantity=1, price="32.00")
    tries = []
    for number, rung in enumerate((*_RUNGS, None), start=1):
        attempt = await stage.mail_server.try_number(earlier + number)
        after = f"after {attempt.at - placed_at:.1f} s"
        plan = f"The event waits on the broker, for {rung:g} s." if rung else "Done."
        narrator.say(f"  Try {number}, {after}: the server says {attempt.answer!r}. {plan}")
        tries.append(attempt)
    order = await stage.shop.until_notified(order)
    narrator.say("No service waited in between: the mail went out, and the order shows it.")

    waits = [after.at - before.at for before, after in pairwise(tries)]
    narrator.claim(
        "A mail server that is down is tried again after 1 s and then 5 s, within a second",
        came_true=[attempt.answer for attempt in tries] == [DOWN, DOWN, TAKEN]
        and all(0 <= wait - rung < 1 for wait, rung in zip(waits, _RUNGS, strict=True)),
    )
    narrator.claim(
        "The order is notified all the same, with one mail",
        came_true=_is_notified(order) and len(stage.mail_server.mails_to(BOB)) == 1,
    )


async def _poison(stage: Stage, narrator: Narrator) -> None:
    narrator.chapter("3. An order that is poison")
    stage.mail_server.refuse(CARL, NO_SUCH_MAILBOX)
    narrator.say(f"{CARL} is an address that the mail server refuses for good. Carl orders a cup.")
    order = await stage.shop.order(CARL, "Cup", quantity=1, price="8.00")
    dead = await look_at_one(stage.broker_url, _DEAD, within=15)
    narrator.say(
        "Trying again would not help, so the event is a dead letter at once: the message as it "
        f"was, in the queue {_DEAD}, with a record of the fault:"
    )
    record = {name: dead.record.get(name, "(missing)") for name in _SHOWN}
    narrator.show_record(f"Message {dead.message_id}", record)
    again = await look_at_one(stage.broker_url, _DEAD, within=15)
    narrator.say("It stays there until somebody decides. Nobody is held up meanwhile: Dora orders.")
    unheard = await stage.shop.look_at(order)
    next_order = await stage.shop.until_notified(
        await stage.shop.order(DORA, "Sugar bowl", quantity=1, price="12.00")
    )

    calls = [attempt for attempt in stage.mail_server.tries if attempt.recipient == CARL]
    narrator.claim(
        "An address that is refused for good is tried once, and is a dead letter then",
        came_true=len(calls) == 1 and _tells_the_fault(dead) and order["order_id"] in dead.body,
    )
    narrator.claim("Looking at a dead letter leaves it where it is", came_true=again == dead)
    narrator.claim(
        "Its order does not pretend that the customer was notified", came_true=_is_unheard(unheard)
    )
    narrator.claim("The next order sails through", came_true=_is_notified(next_order))


def _tells_the_fault(dead: DeadLetter) -> bool:
    return (
        dead.record.get("dead-reason") == "failed"
        and str(dead.record.get("error-type")).endswith("InvalidAddress")
        and NO_SUCH_MAILBOX in str(dead.record.get("error-message"))
        and dead.record.get("attempts") == 1
        and dead.record.get("original-routing-key") == "orders.placed"
    )


def _is_notified(order: Order) -> bool:
    return order["customer_notified"] is True


def _is_unheard(order: Order) -> bool:
    return order["customer_notified"] is False


def _short(order: Order) -> str:
    return f"{order['order_id'][:8]}..."
