"""The broker that is looked at and changed, over both of its doors.

Receives an address, hands a connection for changes and the management API.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from toolkit.operations.address import Address
from toolkit.operations.management import ManagementApi, default_address
from toolkit.operations.topology.declared import Declared
from toolkit.service import Service
from toolkit.transport.rabbitmq import RabbitOptions
from toolkit.transport.rabbitmq.alteration import Alteration


@dataclass(frozen=True, slots=True)
class Broker:
    """Both doors. Only what is asked through the API needs it."""

    amqp: Alteration
    api: ManagementApi

    def declared(self, services: Sequence[Service]) -> Declared:
        """What services declare on a broker of this version."""
        return Declared.of(services, self.amqp.inspector.facts.version)


@asynccontextmanager
async def reached(address: Address, management: str | None = None) -> AsyncIterator[Broker]:
    """Raises `ElsewhereError`, `BrokerUnreachableError`, `AccessRefusedError` or `TlsError`."""
    settings = address.settings()
    options = RabbitOptions(
        urls=settings.urls, service="topology", tls=settings.tls, heartbeat=settings.heartbeat
    )
    where = management or address.management_url or default_address(settings.urls[0])
    api = ManagementApi(where, settings.urls[0], settings.tls)
    async with Alteration.connected(options) as amqp:
        yield Broker(amqp, api)
