"""The command line's table of contents.

Receives the words that were typed, hands them to the one module that carries them out: nothing is
imported for a command that isn't asked for, so `toolkit --help` answers at once.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from toolkit.errors import ToolkitError

COMMANDS = {
    "new": "Make a project, a service, an event, a consumer or a producer.",
    "dev": "Run a project's services in one terminal, and again when their code changes.",
    "run": "Run services until a signal.",
    "publish": "Publish a message, or a file of them, validated against its contract.",
    "tap": "Watch messages go by, without disturbing anyone.",
    "describe": "Show what services consume, publish, retry and declare. Needs no broker.",
    "doctor": "Look machine, broker and services over: what is wrong, and its fix.",
    "dead": "Look at dead letters, replay, edit or discard them.",
    "topology": "Compare what is declared with what a broker holds, and change the broker safely.",
    "top": "Show rates, backlogs and when they are drained, live.",
    "capacity": "Say how many consumers hold a latency target, and how long a peak lasts.",
}
"""Each is the `app` of the module of that name in this package."""


class Commands(TyperGroup):
    """All of them, each loaded when it is asked for."""

    def list_commands(self, _: Any) -> list[str]:
        """In the order in which they are first needed."""
        return list(COMMANDS)

    def get_command(self, _: Any, cmd_name: str) -> Any:
        """As much of it as the overview shows."""
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name], rich_markup_mode=None)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real one. For a name that is none it fails as usual."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            module = import_module(f"toolkit.cli.{name}")
            command = typer.main.get_command(module.app)
            # In a raw docstring, what keeps a paragraph's lines apart is two characters.
            for one in (command, *getattr(command, "commands", {}).values()):
                one.help = (one.help or "").replace(r"\b", "\b")
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Whatever goes wrong on purpose ends in a sentence and an exit code, in this place."""
        try:
            return super().invoke(ctx)
        except ToolkitError as error:
            from toolkit.cli.ending import ended_by  # noqa: PLC0415 - it knows the service's codes

            raise typer.Exit(ended_by(error)) from error


app = typer.Typer(
    cls=Commands,
    help="Event-driven microservices over RabbitMQ.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # locals hold settings, settings hold passwords
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


def main(words: Sequence[str] | None = None) -> None:
    """The entry point of `toolkit`."""
    app(words, prog_name="toolkit")
