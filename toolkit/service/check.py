"""What can't work in a service, found before anything connects, and listed at once.

Receives declarations from the composition root, hands nothing back or raises one
`ConfigurationError`.
"""

from collections.abc import Iterator, Sequence

from toolkit.errors import ConfigurationError
from toolkit.messages.contract import Contract
from toolkit.receiving.consumer import problems_of
from toolkit.sending.pipeline import Route
from toolkit.sending.producer import Producer
from toolkit.topology import naming
from toolkit.topology.plan import Subscription, shared_queues


def check_each(
    service: str, consumers: Sequence[object], producers: Sequence[object], crash_budget: int
) -> None:
    """What is wrong with a part by itself."""
    _raise_if_any(service, _problems_of_each(service, consumers, producers, crash_budget))


def check_together(
    service: str, subscriptions: Sequence[Subscription], producers: Sequence[type[Producer]]
) -> None:
    """What can only be seen once each part is right by itself."""
    problems = [
        *_wrong_queues(subscriptions),
        *shared_queues(subscriptions),
        *_shared_names(subscriptions, producers),
        *_disagreements(producers),
    ]
    _raise_if_any(service, problems)


def _raise_if_any(service: str, problems: Sequence[str]) -> None:
    if problems:
        raise ConfigurationError(f"Service '{service}' can't work", problems)


def _problems_of_each(
    service: str, consumers: Sequence[object], producers: Sequence[object], crash_budget: int
) -> list[str]:
    problems = [problem] if (problem := naming.service_problem(service)) else []
    for consumer in consumers:
        problems += problems_of(consumer, crash_budget=crash_budget)
    for producer in producers:
        if isinstance(producer, type) and issubclass(producer, Producer):
            problems += producer.problems()
        else:
            problems.append(
                f"{producer!r} is not a producer class; pass the class, not an instance"
            )
    return problems


def _wrong_queues(subscriptions: Sequence[Subscription]) -> Iterator[str]:
    for subscription in subscriptions:
        if problem := naming.queue_problem(subscription.queue):
            yield f"{subscription.consumer}: {problem}"


def _shared_names(
    subscriptions: Sequence[Subscription], producers: Sequence[type[Producer]]
) -> Iterator[str]:
    known: dict[str, Contract] = {}
    consumed = (contract for s in subscriptions for contract in s.contracts)
    published = (d.contract for producer in producers for d in producer.declared())
    for contract in (*consumed, *published):
        other = known.setdefault(contract.name, contract)
        if other.model is not contract.model:
            yield (
                f"{_path(other)} and {_path(contract)} are both called '{contract.name}'; "
                "names are unique within a service"
            )


def _disagreements(producers: Sequence[type[Producer]]) -> Iterator[str]:
    """One message type that two producers declare with other options."""
    known: dict[Contract, Route] = {}
    for producer in producers:
        for declared in producer.declared():
            route = declared.route()
            if known.setdefault(route.contract, route) != route:
                yield (
                    f"{producer.__name__}.{declared.name} declares "
                    f"{route.contract.model.__name__} with other options than before; "
                    "declare a message type once"
                )


def _path(contract: Contract) -> str:
    return f"{contract.model.__module__}.{contract.model.__qualname__}"
