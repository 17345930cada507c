"""All that decides how a service behaves, as plain values.

Receives services that needn't be connected, hands a document to JSON, to tables and to pictures.
It is sorted and has no address, path or moment in it, so two of them can be compared. What handlers
and middleware do is code, and isn't in it.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from toolkit.messages.contract import Contract
from toolkit.operations.schema import fingerprint
from toolkit.policies.duration import format_duration
from toolkit.policies.kill_switch import KillSwitch
from toolkit.policies.retry import Errors, Retry
from toolkit.receiving.consumer import Consumer, prefetch_of, timeout_of
from toolkit.sending.pipeline import Route
from toolkit.service import Service
from toolkit.topology.plan import Subscription

Document = dict[str, Any]

NEWEST = (4, 0)
"""Queue arguments are given as for this version of RabbitMQ, and later ones."""


def describe(services: Iterable[Service]) -> Document:
    """Every service by its name."""
    named = sorted(services, key=lambda service: service.name)
    return {"services": {service.name: _service(service) for service in named}}


def _service(service: Service) -> Document:
    consumers = {
        subscription.queue: _consumer(consumer, subscription)
        for consumer, subscription in zip(service.consumers, service.subscriptions, strict=True)
    }
    routes = {
        declared.contract.name: declared.route()
        for producer in service.producers
        for declared in producer.declared()
    }
    topology = service.topology
    return {
        "consumes": dict(sorted(consumers.items())),
        "publishes": {name: _published(route) for name, route in sorted(routes.items())},
        "declares": {
            "exchanges": {
                exchange.name: {"type": exchange.type, "arguments": exchange.arguments}
                for exchange in sorted(topology.exchanges, key=lambda one: one.name)
            },
            "queues": {
                queue.name: dict(sorted(queue.arguments(NEWEST).items()))
                for queue in sorted(topology.queues, key=lambda one: one.name)
            },
            "bindings": sorted(
                [binding.exchange, binding.routing_key, binding.queue]
                for binding in topology.bindings
            ),
        },
        "settings": {
            "topology": service.settings.topology,
            "crash_budget": service.settings.crash_budget,
            "publish_timeout": _length(service.settings.publish_timeout),
            "max_body": service.settings.max_body,
            "content_type": service.codec.content_type,
        },
    }


def _consumer(consumer: Consumer[Any], subscription: Subscription) -> Document:
    return {
        "consumer": subscription.consumer,
        "handles": {
            contract.name: _contract(contract)
            for contract in sorted(subscription.contracts, key=lambda contract: contract.name)
        },
        "concurrency": consumer.concurrency,
        "prefetch": prefetch_of(consumer),
        "timeout": _length(timeout_of(consumer)),
        "retry": _retry(subscription.retry),
        "dead_letters": {
            "queue": subscription.dead_letter_queue,
            "retain": _length(subscription.dead_letters.retain),
            "max_length": subscription.dead_letters.max_length,
        },
        "kill_switch": _switch(consumer.kill_switch),
    }


def _published(route: Route) -> Document:
    return _contract(route.contract) | {
        "exchange": route.exchange,
        "required": route.is_required,
        "ttl_ms": None if route.expiration is None else int(route.expiration),
        "priority": route.priority,
    }


def _contract(contract: Contract) -> Document:
    return {
        "kind": contract.kind,
        "version": contract.version,
        "schema": fingerprint(contract),
    }


def _retry(retry: Retry) -> Document:
    return {
        "immediately": retry.immediately,
        # A step with jitter is one of several delays.
        "after": ["/".join(format_duration(delay) for delay in step) for step in retry.steps],
        "most_tries": retry.most_tries,
        "only": _errors(retry.on),
        "never": _errors(retry.never),
    }


def _switch(switch: KillSwitch | None) -> Document | None:
    if switch is None:
        return None
    return {
        "share": switch.share,
        "minimum": switch.minimum,
        "window": format_duration(switch.window),
        "pause": format_duration(switch.pause),
    }


def _errors(errors: Errors) -> list[str]:
    return sorted(
        error.__qualname__
        if error.__module__ == "builtins"
        else f"{error.__module__}.{error.__qualname__}"
        for error in errors
    )


def _length(value: timedelta | None) -> str | None:
    return None if value is None else format_duration(value)
