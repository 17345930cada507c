"""A sending pipeline that ends in a postbox, and a stand-in for the service around it."""

from collections.abc import Sequence
from datetime import timedelta

from tests.unit.postbox import Postbox
from toolkit import Middleware, Outgoing, Producer
from toolkit.messages.codec import JsonCodec
from toolkit.observability.hooks import Hooks
from toolkit.sending.pipeline import SendPipeline

DEFAULT_TIMEOUT = timedelta(seconds=30)


def pipeline(
    postbox: Postbox,
    *,
    hooks: Hooks | None = None,
    max_body: int | None = None,
    middlewares: Sequence[Middleware[Outgoing]] = (),
) -> SendPipeline:
    """The way out of a service called shop."""
    return SendPipeline(
        "shop",
        postbox.publish,
        JsonCodec(),
        hooks or Hooks(),
        timeout=DEFAULT_TIMEOUT,
        max_body=max_body,
        middlewares=middlewares,
    )


class Shop:
    """What a producer is made with: see `toolkit.sending.producer.Publishing`."""

    def __init__(self, postbox: Postbox, *producers: type[Producer]) -> None:
        self._sending = pipeline(postbox)
        for producer in producers:
            for declared in producer.declared():
                self._sending.declare(declared.route())

    def sending_for(self, producer: type[Producer]) -> SendPipeline:
        return self._sending
