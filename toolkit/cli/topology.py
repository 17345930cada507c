"""`toolkit topology`: declared against live, and the way from one to the other.

Receives names of services and queues, hands them to the operations, and shows what these say.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.ending import OK, WRONG
from toolkit.cli.option import AsJson, BrokerUrl, ManagementUrl, ManyServices
from toolkit.cli.output import command_app, console, is_terminal, print_json, say
from toolkit.observability.logging import configure_logging
from toolkit.operations.address import Address, broker_address
from toolkit.operations.audit import audit_file, recorder
from toolkit.operations.management import NoManagementError
from toolkit.operations.topology.application import apply as make
from toolkit.operations.topology.application import shown, to_make
from toolkit.operations.topology.broker import Broker, reached
from toolkit.operations.topology.declared import Declared
from toolkit.operations.topology.definition import definitions as definitions_of
from toolkit.operations.topology.definition import permission_lines
from toolkit.operations.topology.definition import permissions as permissions_of
from toolkit.operations.topology.difference import Finding, differences, differences_by_amqp
from toolkit.operations.topology.live import live_of
from toolkit.operations.topology.migration import Migration, Pace, Report, Watching
from toolkit.operations.topology.pruning import Leftover, leftovers
from toolkit.operations.topology.pruning import prune as delete
from toolkit.policies.duration import parse_duration
from toolkit.project import Project, load
from toolkit.topology.declarations import Version

if TYPE_CHECKING:
    from toolkit.service import Service

app = command_app(takes_commands=True)

_STYLES = {"missing": "yellow", "different": "bold red", "extra": "cyan", "unfinished": "magenta"}
_NEWEST = "4.0"


class Mode(StrEnum):
    """Who makes the topology: the service itself, or somebody else."""

    DECLARE = "declare"
    CHECK = "check"
    OFF = "off"


ServiceOption = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="SERVICE", help="Services to look at, instead of all."),
]
VirtualHost = Annotated[str, typer.Option("--vhost", help="The virtual host they are for.")]


@app.callback()
def _topology() -> None:
    """Compare what services declare with what a broker holds, and change the broker safely."""


@app.command("diff")
def diff(
    services: ManyServices = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show each difference between what is declared and what is there. Changes nothing.

    Compared are queues, exchanges, bindings and all their arguments; whatever else has a service's
    name is extra. Without the management API bindings and extras aren't compared, and it says so.

    \b
    Examples:
        toolkit topology diff
        toolkit topology diff notifications --json

    Exit codes: 0 equal, 1 different, 2 usage, 69 no broker, 77 refused, 78 configuration.
    """
    findings, lacking = _at_broker(services, broker, management, _compared)
    if as_json:
        listed = [_as_values(one) for one in findings]
        print_json({"equal": not findings, "not_compared": lacking, "differences": listed})
    else:
        _show(findings)
        if lacking:
            say(f"note: bindings and extras weren't compared: {lacking}")
    raise typer.Exit(WRONG if findings else OK)


@app.command("apply")
def apply(
    services: ManyServices = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be made.")
    ] = False,
) -> None:
    """Make what is missing. Nothing that is there is changed or deleted.

    \b
    Examples:
        toolkit topology apply --dry-run
        toolkit topology apply notifications orders

    Exit codes: 0 all is there, 1 something there differs from what is declared, 2 usage, 69 no
    broker, 77 refused, 78 configuration.
    """

    async def work(at: "_Place") -> list[Finding]:
        findings, lacking = await _compared(at)
        parts = to_make(findings)
        if lacking:
            parts = [*parts, *at.declared.topology.bindings]
            say(f"note: all bindings are made sure of: {lacking}")
        if dry_run:
            for part in parts:
                typer.echo(f"would make {shown(part)}", file=at.output)
        else:
            await make(at.broker, parts, say=at.say, record=at.record)
        if not parts:
            say("nothing is missing")
        return [one for one in findings if one.what == "different"]

    different = _at_broker(services, broker, management, work)
    for one in different:
        say(f"differs: {one.sentence}; {one.remedy}")
    raise typer.Exit(WRONG if different else OK)


@app.command("graph")
def graph(
    services: ManyServices = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    svg_file: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="A picture; - is standard output.")
    ] = None,
) -> None:
    """Draw what is there, with its counts: as text for Mermaid, or as a picture.

    The text has all that is there under the services' names; the picture is that of `toolkit
    describe`, with what is in each queue. Needs the management API.

    \b
    Examples:
        toolkit topology graph > topology.mmd
        toolkit topology graph orders --svg orders.svg

    Exit codes: 0 drawn, 2 usage, 69 no broker or no management API, 77 refused, 78 configuration.
    """
    from toolkit.operations.topology.graph import live_mermaid, live_picture  # noqa: PLC0415

    async def draw(at: "_Place") -> str:
        live = await live_of(at.broker.api)
        if svg_file is None:
            return live_mermaid(at.declared, live)
        from toolkit.operations.svg import svg  # noqa: PLC0415 - only when asked for

        return svg(live_picture(at.declared, live))

    text = _at_broker(services, broker, management, draw)
    if svg_file is None or svg_file == "-":
        sys.stdout.write(text)
        return
    Path(svg_file).write_text(text)
    say(f"drawn: {svg_file}")


@app.command("migrate")
def migrate(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", show_default=False)],
    services: ServiceOption = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take a migration back that wasn't finished.")
    ] = False,
    patience: Annotated[
        str, typer.Option(help="How long consumers may work off what is there.")
    ] = "60s",
    quiet: Annotated[
        str,
        typer.Option(
            help="How long nothing may be seen in the queue before it is replaced; more, where the "
            "broker's statistics are older than five seconds."
        ),
    ] = "12s",
    as_json: AsJson = False,
) -> None:
    """Give a queue the arguments that are declared, losing nothing and stopping nobody.

    What comes for the queue is kept in QUEUE.migrating while consumers empty it; then it is
    replaced, and gets all of that. A run that was killed is gone on with by running it again.
    Where it can't be safe it refuses, says why, and nothing is changed. Needs the management API.

    \b
    Examples:
        toolkit topology migrate notifications.send-confirmation
        toolkit topology migrate orders.mark-notified --undo

    Exit codes: 0 as declared now, or before; 2 usage, 69 no broker, no management API, or stopped
    in the middle, 77 refused by the broker, 78 not safe, or configuration.
    """
    pace = Pace(quiet=_length("--quiet", quiet), patience=_length("--patience", patience))

    async def work(at: "_Place") -> Report:
        def step(number: int, sentence: str) -> None:
            say(f"{number}/6 {sentence}")

        watching = Watching(say=step, record=at.record)
        return await Migration(at.broker, at.declared, queue, pace=pace, watching=watching).run(
            undo=undo
        )

    try:
        report = _at_broker(services, broker, management, work)
    except KeyboardInterrupt:
        say(f"stopped: what isn't in '{queue}' is kept aside; run this again, or with --undo")
        raise
    if as_json:
        print_json(asdict(report))
    else:
        _tell(report)


@app.command("prune")
def prune(
    services: ManyServices = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    deletes: Annotated[
        bool, typer.Option("--delete", help="Delete those that are empty and unused.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what has these services' names and is declared by nobody any more.

    With --delete what is empty and unused is deleted, after a question; the rest is named, and
    stays. An older release that still runs may still need it: only you know. Needs the management
    API.

    \b
    Examples:
        toolkit topology prune
        toolkit topology prune notifications --delete --yes

    Exit codes: 0 done, 1 something had to stay (--delete), 2 usage, 69 no broker or no management
    API, 77 refused, 78 configuration.
    """

    async def look(at: "_Place") -> list[Leftover]:
        return leftovers(at.declared, await live_of(at.broker.api))

    found = _at_broker(services, broker, management, look)
    if as_json and not deletes:
        print_json([_as_leftover(one) for one in found])
        return
    for one in found:
        why = f"; stays: {one.in_the_way}" if one.in_the_way else ""
        typer.echo(f"{one.kind} '{one.name}' ({one.content}){why}")
    if not found:
        say("nothing is left over")
    going = [one for one in found if not one.in_the_way]
    if not deletes or not found:
        return
    if going and not yes:
        typer.confirm(f"Delete {len(going)} of these {len(found)}?", abort=True, err=True)

    async def work(at: "_Place") -> list[str]:
        return await delete(at.broker, found, say=at.say, record=at.record)

    stayed = _at_broker(services, broker, management, work)
    for sentence in stayed:
        say(sentence)
    raise typer.Exit(WRONG if stayed else OK)


@app.command("definitions")
def definitions(
    services: ManyServices = None,
    vhost: VirtualHost = "/",
    version: Annotated[
        str, typer.Option("--for", metavar="VERSION", help="The broker's version.")
    ] = _NEWEST,
) -> None:
    """Print what is declared as RabbitMQ definitions. Needs no broker.

    A service that finds all of it there can start with TOOLKIT_TOPOLOGY=check. One argument
    depends on the version: before 4.0, "no delivery limit" is said by saying nothing.

    \b
    Examples:
        toolkit topology definitions > definitions.json
        toolkit topology definitions orders --vhost shop --for 3.13
        rabbitmqctl import_definitions definitions.json

    Exit codes: 0 printed, 2 usage, 78 configuration.
    """
    declared = Declared.of(_loaded(services), _version(version))
    print_json(definitions_of(declared, vhost))


@app.command("permissions")
def permissions(
    services: ManyServices = None,
    vhost: VirtualHost = "/",
    user: Annotated[
        str | None, typer.Option(help="One user for all, instead of one of each service's name.")
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="TOOLKIT_TOPOLOGY of the services: check and off may configure nothing."),
    ] = Mode.DECLARE,
    as_json: Annotated[
        bool, typer.Option("--json", help="As definitions, instead of lines for a shell.")
    ] = False,
) -> None:
    """Print what each service must be allowed, and not more. Needs no broker.

    \b
    Examples:
        toolkit topology permissions
        toolkit topology permissions orders --mode check --vhost shop
        toolkit topology permissions --json > permissions.json

    Exit codes: 0 printed, 2 usage, 78 configuration.
    """
    found = _loaded(services)
    if as_json:
        print_json(permissions_of(found, virtual_host=vhost, user=user, mode=mode.value))
        return
    for line in permission_lines(found, virtual_host=vhost, user=user, mode=mode.value):
        typer.echo(line)


# ------------------------------------------------------------------------- what all of them need


@dataclass(frozen=True, slots=True)
class _Place:
    """A broker, and what is declared for it."""

    broker: Broker
    declared: Declared
    record: Callable[..., None]
    output: Any

    def say(self, sentence: str) -> None:
        """A result: standard output."""
        typer.echo(sentence, file=self.output)


def _at_broker(
    services: Sequence[str] | None,
    broker: str | None,
    management: str | None,
    work: Callable[[_Place], Coroutine[Any, Any, Any]],
) -> Any:
    """What services print while they are imported isn't output of this command."""
    configure_logging(level="error")
    output = sys.stdout
    with redirect_stdout(sys.stderr):
        loaded = _load(services)
        project = Project.around()
        address = broker_address(project, broker)
        log = audit_file(project, None)

        async def all_of_it() -> Any:
            async with _placed(loaded, address, management, log, output) as place:
                return await work(place)

        return asyncio.run(all_of_it())


@asynccontextmanager
async def _placed(
    services: "Sequence[Service]",
    address: Address,
    management: str | None,
    log: Path,
    output: Any,
) -> AsyncIterator[_Place]:
    async with reached(address, management) as broker:
        record = recorder(log, broker.amqp.inspector.facts.address)
        yield _Place(broker, broker.declared(services), record, output)


async def _compared(at: _Place) -> tuple[list[Finding], str | None]:
    """Without the management API, what AMQP tells, and why not more."""
    try:
        return differences(at.declared, await live_of(at.broker.api)), None
    except NoManagementError as error:
        return await differences_by_amqp(at.declared, at.broker.amqp.inspector), str(error)


def _loaded(services: Sequence[str] | None) -> "list[Service]":
    with redirect_stdout(sys.stderr):
        return _load(services)


def _load(services: Sequence[str] | None) -> "list[Service]":
    names = services or [entry.name for entry in Project.find().services]
    return [load(name) for name in dict.fromkeys(names)]


def _length(option: str, text: str) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    if length < timedelta(seconds=1):
        raise typer.BadParameter("at least 1s", param_hint=option)
    return length


def _version(text: str) -> Version:
    numbers = text.split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (IndexError, ValueError):
        raise typer.BadParameter(
            f"'{text}' is no version; such as 4.0", param_hint="--for"
        ) from None


def _as_values(one: Finding) -> dict[str, str]:
    return {
        "what": one.what,
        "kind": one.kind,
        "name": one.name,
        "sentence": one.sentence,
        "remedy": one.remedy,
        "risk": one.risk,
    }


def _as_leftover(one: Leftover) -> dict[str, str | None]:
    return {
        "kind": one.kind,
        "name": one.name,
        "content": one.content,
        "in_the_way": one.in_the_way,
    }


def _show(findings: Sequence[Finding]) -> None:
    if not findings:
        typer.echo("equal: the broker holds what is declared, and nothing else under these names")
        return
    if is_terminal():
        from rich.text import Text  # noqa: PLC0415 - only for a terminal

        screen = console()
        for one in findings:
            screen.print(Text.assemble((one.what, _STYLES[one.what]), f"  {one.sentence}"))
            screen.print(Text(f"  do: {one.remedy}\n  messages: {one.risk}", style="dim"))
    else:
        for one in findings:
            typer.echo(f"{one.what:<11}{one.sentence}")
            typer.echo(f"           do: {one.remedy}")
            typer.echo(f"           messages: {one.risk}")
    counts = [(what, sum(one.what == what for one in findings)) for what in _STYLES]
    typer.echo(", ".join(f"{count} {what}" for what, count in counts if count))


def _tell(report: Report) -> None:
    if report.is_undone:
        typer.echo(f"'{report.queue}' is as it was, with all that had been kept aside")
    elif report.changed:
        typer.echo(f"'{report.queue}' is as declared now. It was:")
        for sentence in report.changed:
            typer.echo(f"  {sentence}")
    else:
        typer.echo(f"there was nothing to do for '{report.queue}'")
    if report.moved_out or report.moved_back:
        typer.echo(f"copied: {report.moved_out} out, {report.moved_back} back")
    if report.maybe_twice:
        ids = ", ".join(one or "(no id)" for one in report.maybe_twice)
        typer.echo(f"handed out before, so there may be two of: {ids}")
