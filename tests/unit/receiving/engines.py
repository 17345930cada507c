"""The way in of one consumer, with a postbox where a broker would be."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from tests.unit.orders import OrderPlaced
from tests.unit.postbox import Postbox
from toolkit import Consumer, Context, Incoming, Middleware
from toolkit.messages.codec import Codec, JsonCodec
from toolkit.observability.hooks import Hooks
from toolkit.receiving.consumer import prefetch_of, subscription_of
from toolkit.receiving.pipeline import ReceivePipeline
from toolkit.receiving.settlement import Settlement
from toolkit.sending.pipeline import SendPipeline

Handle = Callable[[OrderPlaced, Context], Awaitable[None]]


class Ship(Consumer[OrderPlaced]):
    """Does what a test tells it to: one thing for each run, and the last from then on."""

    def __init__(self, *runs: Handle | BaseException, **policies: Any) -> None:
        self._runs = list(runs)
        self.handled: list[OrderPlaced] = []
        self.attempts: list[int] = []
        for name, value in policies.items():
            setattr(self, name, value)

    async def handle(self, message: OrderPlaced, context: Context) -> None:
        self.attempts.append(context.attempt)
        if self._runs:
            run = self._runs[min(len(self.attempts), len(self._runs)) - 1]
            if isinstance(run, BaseException):
                raise run
            await run(message, context)
        self.handled.append(message)


def engine(
    consumer: Consumer[Any],
    postbox: Postbox,
    *,
    hooks: Hooks | None = None,
    crash_budget: int = 3,
    is_stopping: bool = False,
    codec: Codec | None = None,
    middlewares: Sequence[Middleware[Incoming]] = (),
) -> ReceivePipeline:
    """Everything between a delivery and its settlement, in a service called shop."""
    hooks = hooks or Hooks()
    codec = codec or JsonCodec()
    subscription = subscription_of("shop", consumer)
    timeout = timedelta(seconds=30)
    sending = SendPipeline("shop", postbox.publish, codec, hooks, timeout=timeout)
    settlement = Settlement(
        "shop",
        subscription,
        rungs=subscription.retry.rungs,
        publish=postbox.publish_copy,
        sending=sending,
        hooks=hooks,
    )
    return ReceivePipeline(
        consumer,
        subscription,
        settlement,
        codec=codec,
        sending=sending,
        hooks=hooks,
        crash_budget=crash_budget,
        is_stopping=lambda: is_stopping,
        prefetch=prefetch_of(consumer),
        middlewares=middlewares,
    )
