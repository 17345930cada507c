"""`toolkit new`: projects, services, events, consumers and producers.

Receives names, hands them to the scaffold, and shows or does what comes back.
"""

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.completion import service_names
from toolkit.cli.output import command_app, console, is_terminal, say
from toolkit.project import Project
from toolkit.scaffold.changes import Changes
from toolkit.scaffold.consumer import new_consumer
from toolkit.scaffold.event import new_event
from toolkit.scaffold.producer import new_producer
from toolkit.scaffold.project import new_project
from toolkit.scaffold.service import new_service

app = command_app(takes_commands=True)

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the tree and the diff, and write nothing.")
]
Service = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE", help="A service of this project.", autocompletion=service_names
    ),
]


@app.callback()
def _new() -> None:
    """Make something new, as it would be written by hand.

    All of it is written, or nothing; no file that is there is replaced.
    """


@app.command("project")
def project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its folder: payment-hub.")],
    dry_run: DryRun = False,
) -> None:
    r"""Make a folder with all that services need: checks, Docker, CI.

    \b
    Examples:
        toolkit new project shop
        toolkit new project shop --dry-run

    Exit codes: 0 made, 2 no name for a project, 73 something is in the way.
    """
    changes = new_project(name, Path.cwd())
    _carry_out(changes, dry_run, f"next: cd {changes.root.name} && toolkit new service NAME")


@app.command("service")
def service(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as payment-hub.")],
    dry_run: DryRun = False,
) -> None:
    r"""Add a service to this project, with tests and an entry in docker-compose.yml.

    \b
    Examples:
        toolkit new service payments
        toolkit new service payment-hub --dry-run

    Exit codes: 0 made, 2 no name for a service, 73 something is in the way, 78 the name is taken,
    or the project isn't in order.
    """
    changes = new_service(Project.find(), name)
    _carry_out(changes, dry_run, "next: toolkit dev")


@app.command("event")
def event(
    service: Service,
    name: Annotated[str, typer.Argument(metavar="NAME", help="PaymentRefunded, or in dashes.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(metavar="FIELD:TYPE...", help="Such as amount:decimal note:str?"),
    ] = None,
    wire: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="On the wire, instead of SERVICE.NAME."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    r"""Add an event that a service owns; its producer publishes it.

    Types: str, int, float, bool, decimal, uuid, datetime, date, json, list[TYPE]. A question mark
    behind a type makes the field optional, =VALUE gives it a default.

    \b
    Examples:
        toolkit new event payments PaymentRefunded payment_id:uuid amount:decimal 'note:str?'
        toolkit new event payments settled 'lines:list[str]' currency:str=EUR --name money.settled

    Exit codes: 0 made, 2 a wrong name or field, 73 something is in the way, 78 no such service, the
    name is taken, or a file can't be added to.
    """
    changes = new_event(Project.find(), service, name, with_fields=fields or (), wire=wire)
    _carry_out(changes, dry_run)


@app.command("consumer")
def consumer(
    service: Service,
    name: Annotated[str, typer.Argument(metavar="NAME", help="SendReceipt, or in dashes.")],
    on: Annotated[
        str, typer.Option("--on", metavar="EVENT", help="By its name on the wire or its class.")
    ],
    dry_run: DryRun = False,
) -> None:
    r"""Add a consumer of an event, with a test.

    An event of another service is copied into this one's contracts: services never import one
    another.

    \b
    Examples:
        toolkit new consumer payments SendReceipt --on payments.done
        toolkit new consumer payments ChargeOrder --on orders.placed --dry-run

    Exit codes: 0 made, 2 a wrong name, 73 something is in the way, 78 no such service or event, the
    name is taken, or a file can't be added to.
    """
    _carry_out(new_consumer(Project.find(), service, name, on=on), dry_run)


@app.command("producer")
def producer(
    service: Service,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Refunds, or in dashes.")],
    publishes: Annotated[
        list[str],
        typer.Option(
            "--publishes", metavar="EVENT", help="By its name on the wire or its class; repeatable."
        ),
    ],
    dry_run: DryRun = False,
) -> None:
    r"""Add a producer of events that a service has.

    \b
    Examples:
        toolkit new producer payments Refunds --publishes payments.refunded
        toolkit new producer payments Audit --publishes PaymentsDone --publishes PaymentRefunded

    Exit codes: 0 made, 2 a wrong name, 73 something is in the way, 78 no such service or event, the
    name is taken, or a file can't be added to.
    """
    _carry_out(new_producer(Project.find(), service, name, publishes=publishes), dry_run)


def _carry_out(changes: Changes, is_dry_run: bool, then: str | None = None) -> None:  # noqa: FBT001
    if is_dry_run:
        changes.check()
        typer.echo(f"{changes.tree()}\n")
        _show_diff(changes.diff())
        say("nothing was written: --dry-run")
        return
    changes.apply()
    typer.echo(changes.tree())
    if then:
        say(then)


def _show_diff(diff: str) -> None:
    if not is_terminal():
        typer.echo(diff, nl=False)
        return
    from rich.text import Text  # noqa: PLC0415 - only to be looked at

    screen = console()
    for line in diff.splitlines():
        screen.print(Text(line, _COLOURS.get(line[:1], "")))


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
