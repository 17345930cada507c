"""`toolkit dev`: all services of a project in one terminal.

Receives names of services and a choice of broker, hands them to a session.
"""

import asyncio
import os
from importlib.util import find_spec
from typing import Annotated

import typer

from toolkit.cli.completion import service_names
from toolkit.cli.output import command_app, say
from toolkit.development.broker import place_for
from toolkit.errors import ConfigurationError
from toolkit.project import Project

app = command_app()


@app.command("dev")
def run_session(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE", help="All, unless named.", autocompletion=service_names),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(help="memory, docker, local, or the address of one.", metavar="BROKER"),
    ] = None,
) -> None:
    """Run the project's services in one terminal; save a file, and its service starts again.

    Services are the packages in services/ that have a service.py, and whatever pyproject.toml
    names under [tool.toolkit.service]. What was found is printed first.

    The broker is the one in TOOLKIT_AMQP_URL (in the environment or .env), else a RabbitMQ in
    Docker, else a private node of the one on this machine, else one in memory. One that was
    started for this is gone again at the end. `toolkit publish`, `tap` and `doctor` find it by
    themselves while this runs.

    A service that is started again finishes what it has begun; what is published meanwhile waits
    in its queues. Ctrl-C stops all of them in order, a second one at once.

    \b
    Examples:
        toolkit dev
        toolkit dev orders --broker memory
        toolkit dev --broker amqp://guest:guest@localhost/

    Exit codes: 0 stopped, 2 usage, 78 configuration.
    """
    if find_spec("watchfiles") is None:
        raise ConfigurationError(
            "toolkit dev needs watchfiles", ["pip install 'rabbit-toolkit[tools]'"]
        )
    from toolkit.development.session import develop as session  # noqa: PLC0415 - needs watchfiles

    project = Project.find()
    project.chosen(services or ())  # a name that is wrong is told before a broker is started
    os.chdir(project.root)  # where .env and the services' own files are
    with place_for(broker, say) as place:
        asyncio.run(session(project, services or (), place))
