"""`toolkit describe`: what services are, without a broker.

Receives names of services, hands their description to a table, to JSON, to a picture or to files.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.completion import service_names
from toolkit.cli.ending import WRONG
from toolkit.cli.output import command_app, console, is_terminal, print_json, say
from toolkit.errors import ConfigurationError
from toolkit.operations.description import Document, describe
from toolkit.operations.file import writing
from toolkit.operations.picture import kept, pace, picture_of, tries
from toolkit.operations.schema import outdated_schemas, write_schemas
from toolkit.project import Project, load

if TYPE_CHECKING:
    from toolkit.service import Service

app = command_app()


@app.command("describe")
def describe_services(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE",
            help="All of the project, unless named.",
            autocompletion=service_names,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All that decides behaviour, sorted: for a diff in CI.")
    ] = False,
    as_mermaid: Annotated[
        bool, typer.Option("--mermaid", help="A flowchart, as text for Mermaid.")
    ] = False,
    svg_file: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="A picture; - is standard output.")
    ] = None,
    schemas: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the JSON schema of each event the services own into this folder, and of "
            "each command they handle, as NAME.vVERSION.json.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="With --schemas: write nothing, fail where a file differs."),
    ] = False,
) -> None:
    r"""Show what services consume, publish, retry and declare. Needs no broker.

    SERVICE is the name of a service of this project, or MODULE:NAME. Without one, all services of
    the project are described, and a picture shows what goes from one to another.

    \b
    Examples:
        toolkit describe
        toolkit describe orders --json > orders.json
        toolkit describe --svg services.svg
        toolkit describe orders --schemas services/orders/schemas --check

    Exit codes: 0 done, 1 a committed schema differs (--check), 2 usage, 65 a file can't be read,
    73 a file can't be written, 78 configuration.
    """
    asked = (as_json, as_mermaid, svg_file is not None, schemas is not None)
    if sum(asked) > 1:
        raise typer.BadParameter("one of --json, --mermaid, --svg and --schemas at a time")
    if check and schemas is None:
        raise typer.BadParameter("--check goes with --schemas")
    services = _load(names or [])
    if schemas is not None:
        if check:
            _check_schemas(services, schemas, names or [])
        else:
            _write_schemas(services, schemas)
        return
    description = describe(services)
    if as_json:
        print_json(description)
    elif as_mermaid:
        from toolkit.operations.mermaid import mermaid  # noqa: PLC0415 - only when asked for

        typer.echo(mermaid(picture_of(description)), nl=False)
    elif svg_file is not None:
        from toolkit.operations.svg import svg  # noqa: PLC0415 - only when asked for

        _write_svg(svg_file, svg(picture_of(description)))
    else:
        _print_tables(description)


def _load(names: Sequence[str]) -> "list[Service]":
    """What services print while they are imported isn't output of this command."""
    with redirect_stdout(sys.stderr):
        return [load(name) for name in dict.fromkeys(names or _all_names())]


def _all_names() -> list[str]:
    project = Project.find()
    if not project.services:
        raise ConfigurationError(
            f"there is no service in {project.root} yet", ["make one: toolkit new service NAME"]
        )
    return [entry.name for entry in project.services]


def _check_schemas(services: "Sequence[Service]", folder: Path, names: Sequence[str]) -> None:
    problems = outdated_schemas(services, folder)
    for problem in problems:
        say(f"error: {problem}")
    if problems:
        again = shlex.join(["toolkit", "describe", *names, "--schemas", str(folder)])
        say(f"write what is missing or differs with: {again}")
        raise typer.Exit(WRONG)


def _write_schemas(services: "Sequence[Service]", folder: Path) -> None:
    for path in write_schemas(services, folder):
        typer.echo(path)


def _write_svg(file: str, text: str) -> None:
    if file == "-":
        typer.echo(text, nl=False)
        return
    path = Path(file)
    with writing(path):
        path.write_text(text, encoding="utf-8")
    say(f"written: {file}")


_Rows = list[tuple[str, ...]]


def _print_tables(description: Document) -> None:
    for name, service in description["services"].items():
        _print_table(
            f"{name} consumes",
            ("queue", "handles", "pace", "if it fails", "dead letters"),
            list(_consumed(service["consumes"])),
        )
        _print_table(
            f"{name} publishes",
            ("message", "version", "exchange", "options"),
            list(_published(service["publishes"])),
        )
        _print_table(
            f"{name} declares", ("kind", "name", "arguments"), list(_declared(service["declares"]))
        )


def _consumed(consumes: Document) -> Iterator[tuple[str, ...]]:
    for queue, one in consumes.items():
        handled = ", ".join(f"{name} v{what['version']}" for name, what in one["handles"].items())
        yield queue, handled, pace(one), "; ".join(tries(one)), kept(one["dead_letters"])


def _published(publishes: Document) -> Iterator[tuple[str, ...]]:
    for name, one in publishes.items():
        yield name, str(one["version"]), one["exchange"], ", ".join(_options(one))


def _options(published: Document) -> Iterator[str]:
    if published["required"]:
        yield "required"
    if (ttl := published["ttl_ms"]) is not None:
        yield f"ttl={ttl} ms"
    if (priority := published["priority"]) is not None:
        yield f"priority={priority}"


def _declared(declares: Document) -> Iterator[tuple[str, ...]]:
    for name, exchange in declares["exchanges"].items():
        yield f"{exchange['type']} exchange", name, _arguments(exchange["arguments"])
    for name, arguments in declares["queues"].items():
        rest = {key: value for key, value in arguments.items() if key != "x-queue-type"}
        yield f"{arguments['x-queue-type']} queue", name, _arguments(rest)
    for exchange, key, queue in declares["bindings"]:
        yield "binding", f"{exchange} → {queue}", key


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name.removeprefix('x-')}={value}" for name, value in arguments.items())


def _print_table(title: str, columns: tuple[str, ...], rows: _Rows) -> None:
    if not rows:
        return
    if is_terminal():
        from rich.table import Table  # noqa: PLC0415 - only where it is drawn
        from rich.text import Text  # noqa: PLC0415

        table = Table(title=title, title_justify="left", title_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")  # a name is never cut
        for row in rows:
            table.add_row(*map(Text, row))  # as it is: a name may have brackets
        console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    typer.echo(title)
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"  {'  '.join(cells).rstrip()}")
    typer.echo()
