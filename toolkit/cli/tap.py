"""`toolkit tap`: messages, as they go by.

Receives a pattern and conditions, hands what passes to the terminal or to a file.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.option import BrokerUrl
from toolkit.cli.output import command_app, duration, is_terminal, printable, say
from toolkit.errors import ConfigurationError
from toolkit.observability.logging import configure_logging
from toolkit.operations.address import broker_address
from toolkit.operations.catalogue import Catalogue
from toolkit.operations.file import writing
from toolkit.operations.record import Sighting, line_of
from toolkit.operations.sieve import Sieve, conditions
from toolkit.operations.watch import bindings_for, watch
from toolkit.project import Project, load

app = command_app()


@app.command("tap")
def tap_messages(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="Of routing keys: orders.*, #.cancelled")
    ] = "#",
    commands: Annotated[
        bool, typer.Option("--commands", help="This project's commands instead of events.")
    ] = False,
    type_: Annotated[
        list[str] | None, typer.Option("--type", metavar="NAME", help="Messages of this type.")
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--from-service", metavar="NAME", help="What this service published."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="With this header.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--body", metavar="PATH=VALUE", help="With this in it: customer.email=..."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    lasting: Annotated[
        timedelta | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration, help="Stop after this long: 30s, 5m."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add them to this file, for toolkit publish --from."),
    ] = None,
    broker: BrokerUrl = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each, exact to the byte.")
    ] = False,
) -> None:
    """Watch messages go by, without disturbing anyone.

    It listens with a queue of its own, which holds 10,000 messages at most and is gone when this
    ends. One that can't keep up misses the oldest, and can't know it. An event that nobody else
    listens to does have a listener while a tap looks; so does a command, which is why --commands
    hides that a command has no handler.

    \b
    Examples:
        toolkit tap
        toolkit tap 'orders.*' --body customer_email=ada@example.com
        toolkit tap --type orders.placed --limit 1 --json
        toolkit tap 'payments.#' --save payments.jsonl

    Exit codes: 0 done or interrupted, 2 usage, 69 no broker, 73 the file can't be written,
    77 refused by the broker, 78 configuration.
    """
    configure_logging(level="error")
    project = Project.around()
    sieve = Sieve(
        types=tuple(type_ or ()),
        services=tuple(service or ()),
        headers=conditions(header or [], "--header"),
        fields=conditions(field or [], "--body"),
    )
    bindings = bindings_for(pattern, _commands(project) if commands else None)
    if not bindings:
        raise ConfigurationError(
            f"no command of this project matches '{pattern}'",
            ["`toolkit describe` shows which there are"],
        )

    def told(what: str) -> None:
        say(f"tap {pattern}: {what}")

    with _showing(save, as_json=as_json) as show:
        watching = watch(
            broker_address(project, broker),
            bindings,
            sieve,
            show,
            told,
            limit=limit,
            lasting=lasting,
        )
        try:
            asyncio.run(watching)
        except KeyboardInterrupt:
            say("")


def _commands(project: Project | None) -> tuple[str, ...]:
    if project is None:
        raise ConfigurationError(
            "commands are known by name only", ["go to the project that has them"]
        )
    with redirect_stdout(sys.stderr):  # what services print while they are imported
        return Catalogue.of(load(entry.name) for entry in project.services).commands


@contextmanager
def _showing(save: Path | None, *, as_json: bool) -> Iterator[Callable[[Sighting], None]]:
    """Prints each, and adds it to the file."""
    if save is None:
        yield lambda sighting: _print(sighting, as_json=as_json)
        return
    with writing(save):
        file = save.open("a", encoding="utf-8")
    with file:

        def show(sighting: Sighting) -> None:
            with writing(save):
                file.write(f"{line_of(sighting)}\n")
                file.flush()
            _print(sighting, as_json=as_json)

        yield show


def _print(sighting: Sighting, *, as_json: bool) -> None:
    if as_json:
        typer.echo(line_of(sighting))
        return
    envelope = sighting.envelope
    at = sighting.seen_at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    key = typer.style(_in_line(sighting.routing_key), fg="cyan", bold=True)
    of = "" if envelope.type in (None, sighting.routing_key) else f" of type {envelope.type}"
    sender = f" from {envelope.app_id}" if envelope.app_id else ""
    rest = _in_line(f"{of}{sender} {envelope.message_id or 'without an id'}")
    typer.echo(f"{at} {key}{rest}\n  {printable(_body(sighting))}")


def _in_line(text: str) -> str:
    return printable(text).replace("\n", r"\n")


def _body(sighting: Sighting) -> str:
    envelope = sighting.envelope
    if envelope.unreadable:
        return f"its properties can't be read: {envelope.unreadable}"
    try:
        value = json.loads(envelope.body)
    except (ValueError, RecursionError):
        return f"no JSON, {len(envelope.body):,} bytes: {envelope.body[:60]!r}"
    indent = 2 if is_terminal() else None
    return json.dumps(value, ensure_ascii=False, indent=indent).replace("\n", "\n  ")
