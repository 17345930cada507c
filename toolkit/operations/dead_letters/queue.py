"""Which queues hold dead letters.

Receives what was asked for, the project and the broker's address, hands names of queues.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from yarl import URL

from toolkit.errors import ToolkitError
from toolkit.operations.doctor.look import in_thread
from toolkit.operations.management import NoManagementError, ask, default_address, shown
from toolkit.project import Project, load
from toolkit.service.settings import Settings
from toolkit.topology import naming


class NoQueuesError(ToolkitError):
    """Nobody says where dead letters may be."""

    exit_code = 69


@dataclass(frozen=True, slots=True)
class Management:
    """The management API, which is only ever asked how queues are called and how they stand."""

    address: str
    amqp_url: str
    settings: Settings

    @classmethod
    def of(cls, settings: Settings, address: str | None) -> "Management":
        """At its usual place, unless it is somewhere else."""
        url = settings.urls[0]
        return cls(address or default_address(url), url, settings)

    async def queues(self) -> dict[str, int]:
        """Each queue of the virtual host, and how many of its messages somebody holds, as of a few
        seconds ago. Raises NoManagementError.
        """
        host = URL(self.amqp_url).path[1:].replace("%2F", "/") or "/"
        path = f"/api/queues/{quote(host, safe='')}?columns=name,messages_unacknowledged"
        answer = await in_thread(lambda: ask(self.address, path, self.amqp_url, self.settings.tls))
        if answer.status != HTTPStatus.OK:
            raise NoManagementError(f"answers {answer.status}")
        try:
            listed: list[dict[str, Any]] = json.loads(answer.body)
            return {
                str(one["name"]): int(one.get("messages_unacknowledged") or 0) for one in listed
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoManagementError("answers something else") from error


async def dead_letter_queues(
    asked: Sequence[str], project: Project | None, management: Management
) -> list[str]:
    """Those that were asked for; else those of the project's services; else all of the broker whose
    name says so. Raises `NoQueuesError`, and what loading a service raises.
    """
    if asked:
        return list(dict.fromkeys(asked))
    if project is not None and project.services:
        services = [load(entry.name) for entry in project.services]
        return [one.dead_letter_queue for service in services for one in service.subscriptions]
    try:
        names = await management.queues()
    except NoManagementError as error:
        raise NoQueuesError(
            f"there is no project here, and the management API at {shown(management.address)} "
            f"{error}: name the queues with --queue"
        ) from error
    return sorted(filter(naming.is_dead_letter_queue, names))
