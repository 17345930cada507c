"""`toolkit dead`: what failed, why, and putting it back.

Receives which letters are meant, hands them to the acts, and shows what these found or did.
"""

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import uuid4

import typer

from toolkit.cli.ending import OK, WRONG
from toolkit.cli.letters import (
    counted,
    error_of,
    facts,
    group_facts,
    group_row,
    letter_row,
    print_letter,
    print_table,
    shown,
)
from toolkit.cli.option import AsJson, BrokerUrl, ManagementUrl
from toolkit.cli.output import command_app, console, print_json, say
from toolkit.errors import ToolkitError
from toolkit.observability.logging import configure_logging
from toolkit.operations.audit import audit_file, state_folder
from toolkit.operations.catalogue import Catalogue, UnknownMessageError
from toolkit.operations.dead_letters import copy
from toolkit.operations.dead_letters.act import Act, archive, carry_out
from toolkit.operations.dead_letters.edit import EditError, EditForbiddenError, changed, validated
from toolkit.operations.dead_letters.expression import Filter
from toolkit.operations.dead_letters.group import grouped
from toolkit.operations.dead_letters.letter import Letter, LetterError
from toolkit.operations.dead_letters.line import letters_of, line_of
from toolkit.operations.dead_letters.look import Look
from toolkit.operations.dead_letters.move import Copy, Moved
from toolkit.operations.dead_letters.place import DEFAULT_MOST, Place, Request, looking
from toolkit.operations.dead_letters.selection import Selection
from toolkit.operations.doctor.look import in_thread
from toolkit.project import Project, load
from toolkit.topology import naming
from toolkit.transport.rabbitmq.holding import Holder

if TYPE_CHECKING:
    from toolkit.messages.contract import Contract

app = command_app(takes_commands=True)

R = TypeVar("R")

Queues = Annotated[
    list[str] | None,
    typer.Option("--queue", metavar="NAME", help="This queue of dead letters; may be repeated."),
]
Most = Annotated[
    int,
    typer.Option(min=1, help="How many of each queue are looked at, oldest first."),
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", show_default=False)]
InGroup = Annotated[
    str | None, typer.Option("--group", metavar="GROUP", help="All with this fingerprint.")
]
Where = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help="Such as: error.type == 'Timeout' and age > '2h'"),
]
All = Annotated[bool, typer.Option("--all", help="All that are found.")]
Limit = Annotated[int | None, typer.Option(min=1, help="No more than this, oldest first.")]
Rate = Annotated[float | None, typer.Option(min=0.01, help="Letters a second.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
AuditFile = Annotated[
    Path | None,
    typer.Option("--audit", metavar="FILE", help="The audit log. [TOOLKIT_AUDIT]"),
]
To = Annotated[
    str | None,
    typer.Option(metavar="QUEUE", help="Where to, for letters that don't say where they failed."),
]


class GroupBy(StrEnum):
    """What letters of a group have in common."""

    FINGERPRINT = "fingerprint"
    CONSUMER = "consumer"
    TYPE = "type"
    TIME = "time"


class NotAskedError(ToolkitError):
    """There is nobody to ask."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doing:
    """How an act is done."""

    name: str
    yes: bool
    dry_run: bool = False
    rate: float | None = None
    audit: Path | None = None
    said: str = ""


@app.command("groups")
def show_groups(
    by: Annotated[GroupBy, typer.Option(help="What they have in common.")] = GroupBy.FINGERPRINT,
    where: Where = None,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    as_json: AsJson = False,
) -> None:
    """Show dead letters in groups, the largest first, each with its newest error.

    \b
    Examples:
        toolkit dead groups
        toolkit dead groups --by consumer
        toolkit dead groups --queue orders.place.dead --json

    Queues are those of --queue, else of the project's services, else, by the management API, all
    whose name ends in .dead. Looking holds the letters over AMQP and gives them back in order.

    Exit codes: 0 done, 2 usage, 65 no such filter, 69 no broker, 77 refused, 78 configuration.
    """
    request = _request(queue, broker, management, most)
    letters, seen = _run(_chosen(request, Selection(where=_filter(where))))
    groups = grouped(letters, by.value)
    _tell(seen)
    if as_json:
        print_json({"groups": [group_facts(one) for one in groups], "notes": seen.notes})
        return
    print_table(
        ", ".join(
            (
                counted(len(letters), "dead letter"),
                counted(len(groups), "group"),
                counted(len(seen.queues), "queue"),
            )
        ),
        ("count", "group", "error", "message", "newest", "queues"),
        [group_row(one) for one in groups],
    )


@app.command("list")
def list_letters(
    ids: Ids = None,
    group: InGroup = None,
    where: Where = None,
    limit: Limit = None,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    as_json: AsJson = False,
) -> None:
    """List dead letters, a line each.

    \b
    Examples:
        toolkit dead list --limit 20
        toolkit dead list --where 'error.type == "Timeout" and message.total > 100'
        toolkit dead list --group 3f1c9a7be0d24468 --json

    Exit codes: 0 done, 2 usage, 65 no such filter, id or group, 69 no broker, 77 refused,
    78 configuration.
    """
    selection = Selection(ids=tuple(ids or ()), group=group, where=_filter(where), limit=limit)
    letters, seen = _run(_chosen(_request(queue, broker, management, most), selection))
    _tell(seen)
    if as_json:
        print_json({"letters": [facts(one) for one in letters], "notes": seen.notes})
        return
    print_table(
        counted(len(letters), "dead letter"),
        ("id", "failed at", "message", "error", "tries", "queue", ""),
        [letter_row(one) for one in letters],
    )


@app.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: why it failed, its headers, its body, the stack.

    \b
    Examples:
        toolkit dead show 5f0c6bd2e2f94a1b
        toolkit dead show 5f0c6bd2e2f94a1b --json

    Exit codes: 0 done, 2 usage, 65 no such id, 69 no broker, 77 refused, 78 configuration.
    """
    request = _request(queue, broker, management, most)
    letters, seen = _run(_chosen(request, Selection(ids=(letter_id,))))
    _tell(seen)
    if as_json:
        print_json([facts(one, whole=True) for one in letters])
        return
    for letter in letters:
        print_letter(letter)


@app.command("replay")
def replay_letters(
    ids: Ids = None,
    group: InGroup = None,
    where: Where = None,
    everything: All = False,
    to: To = None,
    rate: Rate = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    audit: AuditFile = None,
) -> None:
    """Send dead letters back to the queue in which they failed, and to no other subscriber.

    \b
    Examples:
        toolkit dead replay 5f0c6bd2e2f94a1b
        toolkit dead replay --group 3f1c9a7be0d24468 --rate 50
        toolkit dead replay --where 'failed.at > "2026-11-24"' --dry-run
        toolkit dead replay --all --yes

    Each is confirmed by the broker before it is taken out of the dead letters. Cut off in the
    middle, the same command goes on where it stopped.

    Exit codes: 0 done, 1 some could not be sent and are still there, 2 usage, 65 no such filter, id
    or group, or no queue to go to, 69 no broker, 73 no audit log, 77 refused, 78 configuration.
    """
    selection = _selection(ids, group, where, limit, everything=everything)
    said = " ".join(filter(None, (*(ids or ()), group, where, "all" if everything else "")))
    doing = _Doing(name="replay", yes=yes, dry_run=dry_run, rate=rate, audit=audit, said=said)
    now = datetime.now(UTC)

    def copied(letter: Letter, message_id: str) -> Any:
        return copy.replayed(letter, message_id=message_id, now=now, to=to)

    request = _request(queue, broker, management, most)

    async def act() -> Moved:
        place = Place.of(request)
        async with looking(place, request) as (holder, seen):
            letters = selection.of(seen.letters)
            for letter in letters:
                copy.target_of(letter, to)
            return await _do(doing, letters, copied, place, holder, seen)

    _end(_run(act()), "sent back")


@app.command("edit")
def edit_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Such as customer.email=a@example.com"),
    ] = None,
    body: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A whole new body.", exists=True)
    ] = None,
    to: To = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    audit: AuditFile = None,
) -> None:
    """Change a dead letter's body and replay it, as a message with an id of its own.

    \b
    Examples:
        toolkit dead edit 5f0c6bd2e2f94a1b --set total=12 --set customer.email=ada@example.com
        toolkit dead edit 5f0c6bd2e2f94a1b --body fixed.json
        EDITOR=vi toolkit dead edit 5f0c6bd2e2f94a1b

    Only where TOOLKIT_ALLOW_EDIT=true. The body is held against its contract, where the project
    knows it. The original is kept until the broker has the copy, whose header `edited-from` names
    it.

    Exit codes: 0 done, 1 it could not be sent and is still there, 2 usage, 65 no such id, or not a
    body that its contract takes, 69 no broker, 73 no audit log, 77 refused, 78 not allowed, or
    configuration.
    """
    if changes and body:
        raise typer.BadParameter("one of --set and --body at a time")
    doing = _Doing(name="edit", yes=yes, dry_run=dry_run, audit=audit, said=letter_id)

    request = _request(queue, broker, management, most)

    async def act() -> Moved:
        place = Place.of(request)
        if not place.settings.allow_edit:
            raise EditForbiddenError
        async with looking(place, request) as (holder, seen):
            letter = _only(Selection(ids=(letter_id,)).of(seen.letters))
            copy.target_of(letter, to)
            written = await _new_body(letter, changes or [], body)
            new = validated(written, _contract(letter, place.project))
            edited = copy.edited(letter, new, message_id=uuid4().hex, now=datetime.now(UTC), to=to)
            say(f"new body: {shown(new)}")
            return await _do(doing, [letter], lambda *_: edited, place, holder, seen)

    _end(_run(act()), "edited and sent back")


@app.command("discard")
def discard_letters(
    ids: Ids = None,
    group: InGroup = None,
    where: Where = None,
    everything: All = False,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    audit: AuditFile = None,
) -> None:
    """Take dead letters out of the way: into the archive of their queue, for two weeks.

    \b
    Examples:
        toolkit dead discard 5f0c6bd2e2f94a1b
        toolkit dead discard --group 3f1c9a7be0d24468 --yes

    The archive is a queue of its own, QUEUE.archive; `toolkit dead restore` brings them back.

    Exit codes: as for replay.
    """
    selection = _selection(ids, group, where, limit, everything=everything)
    said = " ".join(filter(None, (*(ids or ()), group, where, "all" if everything else "")))
    doing = _Doing(name="discard", yes=yes, dry_run=dry_run, audit=audit, said=said)
    copied = partial(_archived, now=datetime.now(UTC))

    request = _request(queue, broker, management, most)

    async def act() -> Moved:
        place = Place.of(request)
        async with looking(place, request) as (holder, seen):
            letters = selection.of(seen.letters)
            archives = {naming.archive_queue(letter.queue) for letter in letters}
            return await _do(doing, letters, copied, place, holder, seen, needed=archives)

    _end(_run(act()), "discarded")


@app.command("restore")
def restore_letters(
    ids: Ids = None,
    group: InGroup = None,
    where: Where = None,
    everything: All = False,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
    audit: AuditFile = None,
) -> None:
    """Bring discarded letters back from the archive to the dead letters.

    \b
    Examples:
        toolkit dead restore 5f0c6bd2e2f94a1b
        toolkit dead restore --queue orders.place.dead --all

    --queue names the queue of dead letters, not its archive.

    Exit codes: as for replay.
    """
    selection = _selection(ids, group, where, limit, everything=everything)
    said = " ".join(filter(None, (*(ids or ()), group, where, "all" if everything else "")))
    doing = _Doing(name="restore", yes=yes, dry_run=dry_run, audit=audit, said=said)

    def copied(letter: Letter, message_id: str) -> Any:
        return copy.restored(letter, message_id=message_id)

    request = _request(queue, broker, management, most)

    async def act() -> Moved:
        place = Place.of(request)
        async with looking(place, request, is_archive=True) as (holder, seen):
            letters = selection.of(seen.letters)
            for letter in letters:
                copied(letter, letter.id)
            return await _do(doing, letters, copied, place, holder, seen)

    _end(_run(act()), "restored")


@app.command("export")
def export_letters(
    ids: Ids = None,
    group: InGroup = None,
    where: Where = None,
    limit: Limit = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Else standard output.")
    ] = None,
    queue: Queues = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    most: Most = DEFAULT_MOST,
) -> None:
    """Write dead letters as lines of JSON, bytes exact. They stay where they are.

    \b
    Examples:
        toolkit dead export -o night.jsonl
        toolkit dead export --group 3f1c9a7be0d24468 | gzip > group.jsonl.gz

    Exit codes: 0 done, 2 usage, 65 no such filter, id or group, 69 no broker, 73 the file can't be
    written, 77 refused, 78 configuration.
    """
    selection = Selection(ids=tuple(ids or ()), group=group, where=_filter(where), limit=limit)
    letters, seen = _run(_chosen(_request(queue, broker, management, most), selection))
    _tell(seen)
    text = "".join(f"{line_of(letter)}\n" for letter in letters)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise _CannotWriteError(f"{output} can't be written: {error.strerror}") from error
    say(f"{len(letters):,} exported to {output}")


@app.command("import")
def import_letters(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="NAME", help="Into this queue, not where they were."),
    ] = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    broker: BrokerUrl = None,
    audit: AuditFile = None,
) -> None:
    """Put exported letters into their queues of dead letters, bytes exact.

    \b
    Examples:
        toolkit dead import night.jsonl
        toolkit dead import night.jsonl --queue orders.place.dead --broker amqp://localhost/

    Every line is read before the first letter is sent.

    Exit codes: 0 done, 1 some could not be sent, 2 usage, 65 a line is no dead letter, 69 no
    broker, 73 no audit log, 77 refused, 78 configuration.
    """
    letters = list(letters_of(_lines_of(file), queue=queue, source=str(file)))
    doing = _Doing(name="import", yes=yes, dry_run=dry_run, rate=rate, audit=audit, said=str(file))

    def copied(letter: Letter, message_id: str) -> Any:
        return copy.imported(letter.envelope, letter.queue, message_id=message_id)

    async def act() -> Moved:
        place = Place.of(Request(broker=broker))
        async with Holder.connected(place.options) as holder:
            filed = Look(tuple(letters), tuple({letter.queue for letter in letters}), ())
            return await _do(doing, letters, copied, place, holder, filed)

    _end(_run(act()), "imported")


class _CannotWriteError(ToolkitError):
    exit_code = 73


def _archived(letter: Letter, message_id: str, *, now: datetime) -> Any:
    return copy.archived(letter, message_id=message_id, now=now)


def _request(
    queues: Sequence[str] | None, broker: str | None, management: str | None, most: int
) -> Request:
    return Request(queues=tuple(queues or ()), broker=broker, management=management, most=most)


def _filter(text: str | None) -> Filter | None:
    return None if text is None else Filter.parse(text)


def _selection(
    ids: Sequence[str] | None,
    group: str | None,
    where: str | None,
    limit: int | None,
    *,
    everything: bool,
) -> Selection:
    """What is changed must be named: nothing at all doesn't mean everything."""
    if not (ids or group or where or everything):
        raise typer.BadParameter("which ones? Name ids, --group, --where or --all")
    if ids and everything:
        raise typer.BadParameter("either ids or --all")
    return Selection(ids=tuple(ids or ()), group=group, where=_filter(where), limit=limit)


def _run(work: Coroutine[Any, Any, R]) -> R:
    """What services print while they are imported isn't output of a command."""
    configure_logging(level="error")
    try:
        with redirect_stdout(sys.stderr):
            return asyncio.run(work)
    except KeyboardInterrupt:
        say("stopped; the same command goes on where this one was")
        raise typer.Exit(130) from None


async def _chosen(request: Request, selection: Selection) -> tuple[list[Letter], Look]:
    async with looking(Place.of(request), request) as (_, seen):
        return selection.of(seen.letters), seen


async def _do(
    doing: _Doing,
    letters: Sequence[Letter],
    copied: Copy,
    place: Place,
    holder: Holder,
    seen: Look,
    *,
    needed: Iterable[str] = (),
) -> Moved:
    """All that an act needs beside the act; `needed` are archives that must be there."""
    moved = Moved()
    if doing.dry_run or not letters:
        say(f"{counted(len(letters), 'letter')} meant; nothing was changed")
        for group in grouped(letters):
            say(f"  {group.count:>6,}  {group.key}  {error_of(group.newest)}")
        raise typer.Exit(OK)
    await _ask(doing, letters)
    for queue in sorted(needed):
        await holder.declare(archive(queue))
    folder = state_folder(place.project)
    act = Act(
        name=doing.name,
        what={"asked for": doing.said},
        audit=audit_file(place.project, doing.audit),
        journals=folder,
        rate=doing.rate,
        timeout=place.settings.publish_timeout,
    )
    try:
        with _progress(doing.name, len(letters)) as progress:
            await carry_out(act, letters, copied, holder, seen=seen, moved=moved, progress=progress)
    except BaseException:
        if moved.done:
            say(f"cut off after {moved.done:,} of {len(letters):,}; the same command goes on")
        raise
    return moved


async def _ask(doing: _Doing, letters: Sequence[Letter]) -> None:
    """More than one letter is only touched once somebody has said yes."""
    if doing.yes or len(letters) == 1:
        return
    question = f"{doing.name} {counted(len(letters), 'letter')}?"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotAskedError(f"{question} There is nobody to ask: say --yes; nothing was changed")
    # In a thread, because the connection's heartbeats go on meanwhile.
    if not await in_thread(lambda: typer.confirm(question, err=True)):
        raise typer.Exit(WRONG)


@contextmanager
def _progress(name: str, total: int) -> Any:
    if not (sys.stderr.isatty() and os.environ.get("TERM") != "dumb") or total < 2:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(to_stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)


def _end(moved: Moved, done: str) -> None:
    say(f"{moved.moved:,} {done}")
    if moved.only_acked:
        say(f"{moved.only_acked:,} had been confirmed before a run was cut off: not sent again")
    if moved.perhaps_twice:
        say(
            f"{moved.perhaps_twice:,} of these may arrive twice, under one id: a run was cut off "
            "before their confirm"
        )
    reasons: dict[str, int] = {}
    for letter, reason in moved.failed:
        reasons[reason] = reasons.get(reason, 0) + 1
        if len(moved.failed) <= 10:
            say(f"not sent, and still in '{letter.queue}': {letter.id}")
    for reason, count in reasons.items():
        say(f"error: {count:,} could not be sent: {reason}")
    if moved.failed:
        raise typer.Exit(WRONG)


def _only(letters: Sequence[Letter]) -> Letter:
    if len(letters) > 1:
        where = ", ".join(letter.queue for letter in letters)
        raise LetterError(f"{len(letters)} letters have this id, in {where}: name one with --queue")
    return letters[0]


async def _new_body(letter: Letter, changes: Sequence[str], file: Path | None) -> bytes:
    if file is not None:
        return await in_thread(file.read_bytes)
    if changes:
        return changed(letter, changes)
    if not (editor := os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        raise EditError("what is to change? Say --set PATH=VALUE, --body FILE, or set EDITOR")
    with tempfile.NamedTemporaryFile(suffix=".json") as draft:
        draft.write(letter.envelope.body)
        draft.flush()
        command = [*shlex.split(editor), draft.name]
        ended = await in_thread(lambda: subprocess.run(command, check=False))
        if ended.returncode:
            raise EditError(f"{editor} ended with {ended.returncode}; nothing was changed")
        return await in_thread(Path(draft.name).read_bytes)


def _contract(letter: Letter, project: Project | None) -> "Contract | None":
    if project is None or letter.type is None:
        return None
    try:
        services = [load(entry.name) for entry in project.services]
        return Catalogue.of(services).find(letter.type).contract
    except UnknownMessageError:
        return None


def _lines_of(file: Path) -> Iterable[str]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LetterError(f"{file} can't be read: {error}") from error
    return text.splitlines()


def _tell(seen: Look) -> None:
    for note in seen.notes:
        say(f"note: {note}")
