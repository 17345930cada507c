"""Which queues hold dead letters.

Receives what was asked for, the project and the broker's address, hands names of queues.
"""

from collections.abc import Sequence

from toolkit.errors import ToolkitError
from toolkit.operations.management import ManagementApi, NoManagementError, shown
from toolkit.project import Project, load
from toolkit.topology import naming


class NoQueuesError(ToolkitError):
    """Nobody says where dead letters may be."""

    exit_code = 69


async def listed(api: ManagementApi) -> dict[str, int]:
    """Each queue of the virtual host, and how many of its messages somebody holds, as of a few
    seconds ago. Raises `NoManagementError`. The API is only ever asked for this.
    """
    said = await api.look(f"{api.path('queues')}?columns=name,messages_unacknowledged")
    try:
        return {str(one["name"]): int(one.get("messages_unacknowledged") or 0) for one in said}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoManagementError(
            f"the management API at {shown(api.address)} answers something else than queues"
        ) from error


async def dead_letter_queues(
    asked: Sequence[str], project: Project | None, management: ManagementApi
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
        names = await listed(management)
    except NoManagementError as error:
        raise NoQueuesError(
            f"there is no project here, and {error}; or name the queues with --queue"
        ) from error
    return sorted(filter(naming.is_dead_letter_queue, names))
