"""Which broker a service talks to.

Receives a service's settings, hands it the transport that its address names.
"""

from collections.abc import Callable

from toolkit.service.settings import Settings
from toolkit.transport.memory import MemoryTransport, broker_named
from toolkit.transport.port import Transport
from toolkit.transport.rabbitmq import RabbitOptions, RabbitTransport

Connect = Callable[[str, Settings, bool], Transport]
"""Makes the transport of a service from its name, its settings, and whether it consumes."""


def by_address(service: str, settings: Settings, is_consuming: bool) -> Transport:  # noqa: FBT001 - `Connect`
    """RabbitMQ at `amqp://`, or the broker of that name in this process at `memory://`."""
    if settings.is_in_memory:
        broker = broker_named(settings.urls[0])
        return MemoryTransport(broker, service=service, topology=settings.topology)
    return rabbitmq_at(settings.urls, service, settings, is_consuming=is_consuming)


def rabbitmq_at(
    urls: tuple[str, ...], service: str, settings: Settings, *, is_consuming: bool
) -> RabbitTransport:
    """A RabbitMQ at these addresses, for which the settings' own are not looked at."""
    options = RabbitOptions(
        urls=urls,
        service=service,
        tls=settings.tls,
        heartbeat=settings.heartbeat,
        connect_timeout=settings.connect_timeout,
        topology=settings.topology,
        lane=settings.lane,
    )
    return RabbitTransport(options, is_consuming=is_consuming)
