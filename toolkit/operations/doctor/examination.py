"""All looks, side by side, and their findings in order.

Receives what was asked for, hands the findings to whoever shows them.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import SettingsError
from toolkit.operations.address import broker_address
from toolkit.operations.doctor import broker, docker, machine, permission, queue, setting
from toolkit.operations.doctor.finding import Finding
from toolkit.operations.doctor.look import in_thread, looked
from toolkit.operations.doctor.management import CHECK as MANAGEMENT
from toolkit.operations.doctor.management import management
from toolkit.operations.doctor.service import Chosen, chosen, elsewhere, loaded, project_here
from toolkit.operations.management import default_address
from toolkit.project import Project
from toolkit.service import Service
from toolkit.service.settings import Settings
from toolkit.transport.rabbitmq.inspector import Inspector

Findings = list[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to look at. Without services: all of the project's."""

    services: tuple[str, ...] = ()
    broker: str | None = None
    management: str | None = None
    fail_on_dead_letters: bool = False


async def examine(request: Request) -> Findings:
    """Every finding. Raises UnknownServiceError for a service that the project doesn't have."""
    project, found_project = project_here()
    targets = chosen(request.services, project)
    root = project.root if project else None
    settings, noted, found_settings = _settings(project, request.broker)
    async with AsyncExitStack() as stack:
        found_machine, loading, (inspector, found_broker) = await asyncio.gather(
            _machine(settings, root),
            asyncio.gather(*map(loaded, targets)),
            _broker(settings, request.management or noted, stack),
        )
        services = [
            (one, service)
            for one, (service, _) in zip(targets, loading, strict=True)
            if service is not None
        ]
        found_services = await _services(services, inspector, request)
    return [
        *found_machine,
        *found_project,
        *(finding for _, findings in loading for finding in findings),
        *_elsewhere(services, settings),
        *found_settings,
        *found_broker,
        *found_services,
    ]


def _settings(
    project: Project | None, asked: str | None
) -> tuple[Settings | None, str | None, Findings]:
    """The settings, and where the management API is, if that is known."""
    try:
        address = broker_address(project, asked)
        settings = Settings(amqp_url=address.url)
    except SettingsError as error:
        return None, None, setting.problems(error, asked)
    return settings, address.management_url, setting.settings(settings, address.source)


async def _machine(settings: Settings | None, root: Path | None) -> Findings:
    extras = ["health"] if settings and settings.health_port else []
    file = docker.compose_file(root)
    return await _all(
        looked("machine", "Python", in_thread(machine.python)),
        looked("machine", "packages", in_thread(lambda: machine.packages(extras))),
        looked("machine", "Docker", docker.engine(file)),
        looked("machine", "Compose", docker.compose(file)),
    )


async def _broker(
    settings: Settings | None, management_url: str | None, stack: AsyncExitStack
) -> tuple[Inspector | None, Findings]:
    """The first node that lets us in, and what is to be said of all of them."""
    if settings is None:
        reason = "not looked at: the settings don't say where it is"
        return None, [Finding(broker.CHECK, "broker", "unknown", reason)]
    if settings.is_in_memory:
        reason = "memory:// lives in the service's own process: there is nothing to look at"
        return None, [Finding(broker.CHECK, "broker", "note", reason)]
    url = settings.urls[0]
    api = management_url or default_address(url)
    met, found_management = await asyncio.gather(
        asyncio.gather(*(broker.met(url, settings, stack) for url in settings.urls)),
        looked(MANAGEMENT, "alarms", management(api, url, settings.tls)),
    )
    inspector = next((inspector for inspector, _ in met if inspector is not None), None)
    return inspector, [*(one for _, found in met for one in found), *found_management]


def _elsewhere(services: Sequence[tuple[Chosen, Service]], looked_at: Settings | None) -> Findings:
    if looked_at is None:
        return []
    found = (elsewhere(one.name, service, looked_at.urls) for one, service in services)
    return [finding for findings in found for finding in findings]


async def _services(
    services: Sequence[tuple[Chosen, Service]],
    inspector: Inspector | None,
    request: Request,
) -> Findings:
    all_of_them = [service for _, service in services]
    found: Findings = []
    for one, service in services:
        if inspector is None:
            reason = "not looked at: no broker"
            found.append(Finding(queue.TOPOLOGY, service.name, "unknown", reason))
            continue
        found += await _service(one, service, all_of_them, inspector, request)
    return found


async def _service(
    one: Chosen,
    service: Service,
    all_of_them: Sequence[Service],
    inspector: Inspector,
    request: Request,
) -> Findings:
    fail = request.fail_on_dead_letters
    return await _all(
        looked(
            permission.CHECK,
            service.name,
            permission.permissions(service, all_of_them, inspector),
        ),
        looked(
            queue.TOPOLOGY,
            service.name,
            queue.queues(service, one.target, inspector, fail_on_dead_letters=fail),
        ),
    )


async def _all(*looks: Awaitable[Findings]) -> Findings:
    return [finding for found in await asyncio.gather(*looks) for finding in found]
