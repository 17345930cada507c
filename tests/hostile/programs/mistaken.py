"""Services that can't work, each for a reason of its own.

Run by tests as processes of their own.
"""

from toolkit import Consumer, Context, Event, QueueOptions, Retry, Service


class OrderPlaced(Event, name="orders.placed"):
    number: int


class Take(Consumer[OrderPlaced]):
    async def handle(self, message: OrderPlaced, context: Context) -> None: ...


def one_queue_for_two() -> Service:
    class Steal(Consumer[OrderPlaced]):
        queue = QueueOptions(name="shop.take")

        async def handle(self, message: OrderPlaced, context: Context) -> None: ...

    return Service("shop", consumers=[Take(), Steal()])


def one_name_for_two() -> Service:
    class OrderTaken(Event, name="orders.placed"):
        number: int

    class Count(Consumer[OrderTaken]):
        async def handle(self, message: OrderTaken, context: Context) -> None: ...

    return Service("shop", consumers=[Take(), Count()])


def an_unreadable_rung() -> Service:
    class Wait(Consumer[OrderPlaced]):
        retry = Retry(after=("1s", "5 parsecs"))

        async def handle(self, message: OrderPlaced, context: Context) -> None: ...

    return Service("shop", consumers=[Wait()])


def fine() -> Service:
    return Service("shop", consumers=[Take()])
