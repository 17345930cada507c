"""`toolkit doctor`: what is wrong, and what to do about it.

Receives names of services, hands them to the looks, and shows what these found.
"""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from enum import StrEnum
from itertools import groupby
from typing import Annotated

import typer

from toolkit.cli.ending import OK, WRONG
from toolkit.cli.option import AsJson, BrokerUrl, ManagementUrl, ManyServices
from toolkit.cli.output import command_app, console, is_terminal, print_json
from toolkit.observability.logging import configure_logging, without_passwords
from toolkit.operations.doctor import Finding, Request, Status, examine

app = command_app()

_MARKS: dict[Status, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "note": ("•", "yellow"),
    "wrong": ("✗", "bold red"),
    "unknown": ("?", "magenta"),
}


class FailOn(StrEnum):
    """What is worth failing over only to some."""

    DEAD_LETTERS = "dead-letters"


@app.command("doctor")
def look_over(
    services: ManyServices = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(metavar="dead-letters", help="Fail when dead letters wait."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also when something couldn't be looked at.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Look the machine, the broker and services over, without changing anything.

    SERVICE is the name of a service of this project, or MODULE:NAME; without one, all of the
    project. Outside of a project only the machine and the broker are looked at.

    \b
    Examples:
        toolkit doctor
        toolkit doctor notifications --broker amqp://shop:secret@broker.example.com/shop
        toolkit doctor --strict --fail-on dead-letters --json

    The broker is the one of --broker, of TOOLKIT_AMQP_URL, or that of a `toolkit dev` which is
    running. Each thing that is wrong comes with what to do about it.

    Exit codes: 0 nothing is wrong, 1 something is, 2 usage, 78 configuration.
    """
    request = Request(
        services=tuple(services or ()),
        broker=broker,
        management=management,
        fail_on_dead_letters=FailOn.DEAD_LETTERS in (fail_on or ()),
    )
    findings = _look(request)
    is_well = not any(_is_bad(finding, strict=strict) for finding in findings)
    if as_json:
        print_json({"ok": is_well, "findings": [asdict(finding) for finding in findings]})
    elif is_terminal():
        _draw(findings)
    else:
        _write(findings)
    raise typer.Exit(OK if is_well else WRONG)


def _look(request: Request) -> list[Finding]:
    """What services print while they are imported isn't output of this command."""
    configure_logging(level="error")  # the library's own words about a failure are in the findings
    with redirect_stdout(sys.stderr):
        return [_without_passwords(finding) for finding in asyncio.run(examine(request))]


def _without_passwords(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=without_passwords(finding.subject),
        sentence=without_passwords(finding.sentence),
        fix=finding.fix and without_passwords(finding.fix),
    )


def _is_bad(finding: Finding, *, strict: bool) -> bool:
    return finding.status == "wrong" or (strict and finding.status == "unknown")


def _draw(findings: Sequence[Finding]) -> None:
    from rich.table import Table  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415

    screen = console()
    for check, found in groupby(findings, key=lambda finding: finding.check):
        screen.print(Text(check, style="bold"))
        for finding in found:
            mark, style = _MARKS[finding.status]
            line = Table.grid(padding=(0, 1), pad_edge=True)
            said = Text.assemble((finding.subject, "cyan"), f"  {finding.sentence}")
            line.add_row(Text(mark, style), said)
            screen.print(line)
            if finding.fix:  # in one piece, so that it can be copied
                screen.print(Text(f"      → {finding.fix}"), soft_wrap=True)
    screen.print(Text(_summary(findings), style="bold"))


def _write(findings: Iterable[Finding]) -> None:
    findings = list(findings)
    for finding in findings:
        typer.echo(f"{finding.status:<8}{finding.check}: {finding.subject}: {finding.sentence}")
        if finding.fix:
            typer.echo(f"        fix: {finding.fix}")
    typer.echo(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    counts = {status: sum(one.status == status for one in findings) for status in _MARKS}
    return (
        f"{counts['wrong']} wrong, {counts['note']} to note, {counts['unknown']} not looked at, "
        f"{counts['ok']} in order"
    )
