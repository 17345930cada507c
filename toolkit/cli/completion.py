"""What a shell completes beyond commands and options.

Receives the beginning of a word from typer, hands back the words it may become.
"""

from toolkit.errors import ToolkitError


def service_names(incomplete: str) -> list[str]:
    """The services of the project around the current folder; none where there is none."""
    from toolkit.project.project import Project  # noqa: PLC0415 - not for a command that runs

    try:
        services = Project.find().services
    except ToolkitError:
        return []
    return [entry.name for entry in services if entry.name.startswith(incomplete)]
