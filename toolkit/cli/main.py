"""The commands.

Receives the command line, hands work to the service's runner or supervisor.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from toolkit.cli.target import load
from toolkit.errors import ConfigurationError, ToolkitError
from toolkit.health.server import health_served
from toolkit.observability.logging import configure_logging
from toolkit.service.runner import complain, run
from toolkit.service.settings import Settings
from toolkit.service.supervisor import supervise

app = typer.Typer(
    help="Event-driven microservices over RabbitMQ.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold settings, settings hold passwords
)


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - typer's own signature
    if is_asked:
        typer.echo(f"rabbit-toolkit {version('rabbit-toolkit')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command("run")
def run_service(
    targets: Annotated[list[str], typer.Argument(metavar="MODULE:SERVICE...")],
    workers: Annotated[int, typer.Option(min=1, max=256, help="How many processes.")] = 1,
) -> None:
    """Run services until SIGTERM or Ctrl-C; a second signal stops at once.

    Example: toolkit run services.notifications.service:service --workers 2

    Several services run in one process: with TOOLKIT_AMQP_URL=memory:// they need no broker.

    Exit codes: 0 stopped, 1 unexpected, 2 usage, 69 no broker, 77 refused by the broker,
    78 configuration.
    """
    raise typer.Exit(_run(targets, workers))


def _run(targets: Sequence[str], workers: int) -> int:
    if workers == 1:
        return run(lambda: [load(target) for target in targets], around=health_served)
    try:
        settings = Settings()
        if settings.is_in_memory:
            raise ConfigurationError(
                f"{workers} workers can't share a broker in memory",
                ["it lives in one process; use --workers 1, or a RabbitMQ in TOOLKIT_AMQP_URL"],
            )
    except ToolkitError as error:
        return complain(error)
    configure_logging(style=settings.log_format, level=settings.log_level)
    return supervise(targets, workers)


def main() -> None:
    """The entry point of `toolkit`."""
    app()
