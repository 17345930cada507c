"""One virtual host: its exchanges, queues and bindings, and who reaches whom.

Receives declarations, hands queues to the broker; what exists otherwise is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.topology.declarations import ExchangeType, Version
from toolkit.transport.clock import Clock, WallClock
from toolkit.transport.memory.argument import QueueSettings, check_same, read_settings
from toolkit.transport.memory.dead_letter import dead_letters_for
from toolkit.transport.memory.message import Payload
from toolkit.transport.memory.observation import Listener
from toolkit.transport.memory.queue import Queue
from toolkit.transport.memory.refusal import (
    ACCESS_REFUSED,
    Refusal,
    Unequal,
    described,
    missing,
)
from toolkit.transport.memory.routing import (
    DEFAULT_EXCHANGE,
    BoundExchange,
    Destination,
    bindings_for,
    route,
)

_MOST_ROUTES = 4096
"""Routes that are remembered; with ever new routing keys they are forgotten and found again."""
_BUILT_IN: dict[str, ExchangeType] = {
    DEFAULT_EXCHANGE: "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.topic": "topic",
}


class VirtualHost:
    """Exchanges and queues by name, on a broker of one version."""

    def __init__(self, *, version: Version = (4, 0), clock: Clock | None = None) -> None:
        self.version = version
        self.clock: Clock = clock or WallClock()
        self.listeners: list[Listener] = []
        self.exchanges: dict[str, BoundExchange] = {}
        self.queues: dict[str, Queue] = {}
        self._routes: dict[tuple[str, str], tuple[Queue, ...]] = {}
        for name, kind in _BUILT_IN.items():
            self.exchanges[name] = BoundExchange(name, kind, bindings_for(kind, version))

    def declare_exchange(
        self,
        name: str,
        kind: ExchangeType,
        *,
        is_durable: bool = True,
        is_auto_delete: bool = False,
        is_internal: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Creates it, or checks that what exists is the same. Raises `Refusal`."""
        arguments = dict(arguments or {})
        found = self.exchanges.get(name)
        if found is not None:
            for argument, wants, has in found.differences(
                kind,
                is_durable=is_durable,
                is_auto_delete=is_auto_delete,
                is_internal=is_internal,
                alternate=arguments.get("alternate-exchange"),
            ):
                raise Unequal("exchange", name, argument, wanted=wants, found=has)
            return
        if name.startswith("amq."):
            raise Refusal(
                ACCESS_REFUSED, f"exchange name '{name}' contains reserved prefix 'amq.*'"
            )
        self.exchanges[name] = BoundExchange(
            name,
            kind,
            bindings_for(kind, self.version),
            is_durable,
            is_auto_delete,
            is_internal,
            arguments,
        )
        self._routes.clear()

    def declare_queue(
        self,
        name: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        is_durable: bool = True,
        is_auto_delete: bool = False,
    ) -> None:
        """Creates it, or checks that what exists is the same. Raises `Refusal`."""
        wanted = self.settings_of(
            name, arguments or {}, is_durable=is_durable, is_auto_delete=is_auto_delete
        )
        found = self.queues.get(name)
        if found is not None:
            check_same(name, found.settings, wanted)
            found.declared_again()
            return
        if name.startswith("amq."):
            raise Refusal(ACCESS_REFUSED, f"queue name '{name}' contains reserved prefix 'amq.*'")
        self.queues[name] = Queue(name, wanted, self, lambda queue: dead_letters_for(queue, self))
        self._routes.clear()

    def settings_of(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        is_durable: bool = True,
        is_auto_delete: bool = False,
    ) -> QueueSettings:
        """What a queue's arguments mean on this version. Raises `Refusal`."""
        return read_settings(
            name,
            arguments,
            version=self.version,
            is_durable=is_durable,
            is_auto_delete=is_auto_delete,
        )

    def bind(
        self,
        source: str,
        destination: Destination,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Binds a queue or an exchange to an exchange. Raises `Refusal`."""
        exchange = self._bindable(source, destination)
        exchange.bindings.add(destination, routing_key, arguments or {})
        self._routes.clear()

    def unbind(
        self,
        source: str,
        destination: Destination,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes a binding away; one that isn't there is no error. Raises `Refusal`."""
        exchange = self._bindable(source, destination)
        exchange.bindings.remove(destination, routing_key, arguments or {})
        self._routes.clear()
        self._after_unbinding(exchange)

    def purge(self, queue: str) -> int:
        """Throws away what is ready. How many that were."""
        return self.queue(queue).purge()

    def delete_queue(self, name: str) -> int:
        """Deletes a queue with its messages and bindings; its consumers are told."""
        queue = self.queues.pop(name, None)
        if queue is None:
            return 0
        count = queue.ready
        self._forget(Destination("queue", name))
        queue.delete()
        return count

    def delete_exchange(self, name: str) -> None:
        """Deletes an exchange and its bindings."""
        if name in _BUILT_IN:
            raise Refusal(
                ACCESS_REFUSED, f"operation not permitted on {described('exchange', name)}"
            )
        if self.exchanges.pop(name, None) is not None:
            self._forget(Destination("exchange", name))

    def queue(self, name: str) -> Queue:
        """A queue by its name. Raises `Refusal` where there is none."""
        queue = self.queues.get(name)
        if queue is None:
            raise missing("queue", name)
        return queue

    def exchange(self, name: str) -> BoundExchange:
        """An exchange by its name. Raises `Refusal` where there is none."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise missing("exchange", name)
        return exchange

    def _bindable(self, source: str, destination: Destination) -> BoundExchange:
        if destination.kind == "queue":
            self.queue(destination.name)
        else:
            self.exchange(destination.name)
        exchange = self.exchange(source)
        if DEFAULT_EXCHANGE in (source, destination.name):
            raise Refusal(ACCESS_REFUSED, "operation not permitted on the default exchange")
        return exchange

    def _forget(self, destination: Destination) -> None:
        self._routes.clear()
        for exchange in list(self.exchanges.values()):
            if len(exchange.bindings):
                exchange.bindings.forget(destination)
                self._after_unbinding(exchange)

    def _after_unbinding(self, exchange: BoundExchange) -> None:
        if exchange.is_auto_delete and not len(exchange.bindings):
            self.delete_exchange(exchange.name)

    def reached(self, payload: Payload) -> Sequence[Queue]:
        """The queues that a payload reaches; none where its exchange doesn't exist."""
        keys = payload.routing_keys
        which = (payload.exchange, keys[0])
        if len(keys) == 1 and (known := self._routes.get(which)) is not None:
            return known
        if payload.exchange not in self.exchanges:
            return ()
        found = route(self.exchanges, payload.exchange, keys, payload.envelope.headers)
        queues = tuple(self.queues[name] for name in found.queues if name in self.queues)
        if found.is_constant and len(keys) == 1:
            if len(self._routes) >= _MOST_ROUTES:
                self._routes.clear()
            self._routes[which] = queues
        return queues
