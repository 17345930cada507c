"""`toolkit run`: services as a process, or as several.

Receives names of services, hands them to the runner or the supervisor.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from toolkit.cli.completion import service_names
from toolkit.cli.output import command_app
from toolkit.errors import ConfigurationError
from toolkit.health.server import health_served
from toolkit.observability.logging import configure_logging
from toolkit.project import load
from toolkit.service.runner import run
from toolkit.service.settings import Settings
from toolkit.service.supervisor import supervise

app = command_app()


@app.command("run")
def run_service(
    targets: Annotated[list[str], typer.Argument(metavar="SERVICE", autocompletion=service_names)],
    workers: Annotated[int, typer.Option(min=1, max=256, help="How many processes.")] = 1,
) -> None:
    """Run services until SIGTERM or Ctrl-C; a second signal stops at once.

    SERVICE is the name of a service of this project, or MODULE:NAME of a service or of a function
    that makes one.

    \b
    Examples:
        toolkit run notifications
        toolkit run shop.warehouse:make_service --workers 2
        TOOLKIT_AMQP_URL=memory:// toolkit run notifications orders

    Several services run in one process: with TOOLKIT_AMQP_URL=memory:// they need no broker. With
    --workers a supervisor starts that many processes, restarts the dead with a pause that grows,
    and passes signals on.

    Exit codes: 0 stopped, 1 unexpected, 2 usage, 69 no broker, 77 refused by the broker,
    78 configuration.
    """
    raise typer.Exit(_run(targets, workers))


def _run(targets: Sequence[str], workers: int) -> int:
    if workers == 1:
        return run(lambda: [load(target) for target in targets], around=health_served)
    settings = Settings()
    if settings.is_in_memory:
        raise ConfigurationError(
            f"{workers} workers can't share a broker in memory",
            ["it lives in one process; use --workers 1, or a RabbitMQ in TOOLKIT_AMQP_URL"],
        )
    configure_logging(style=settings.log_format, level=settings.log_level)
    return supervise(targets, workers)
