"""`toolkit publish`: messages from the command line or a file.

Receives the name of a message and its JSON, hands the broker what its contract allows.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from toolkit.cli.ending import WRONG
from toolkit.cli.option import BrokerUrl
from toolkit.cli.output import command_app, console, is_terminal, print_json, say
from toolkit.errors import ConfigurationError, ToolkitError
from toolkit.messages.codec import Codec, JsonCodec
from toolkit.messages.outgoing import Publication
from toolkit.observability.hooks import Hooks
from toolkit.observability.logging import configure_logging
from toolkit.operations.address import Address, broker_address
from toolkit.operations.catalogue import Catalogue, Entry
from toolkit.operations.draft import Drafts, UnfitError, from_file, proven
from toolkit.operations.pace import Pace
from toolkit.operations.publish import SENDER, Tally, connected, parsed_rate, publish_all
from toolkit.project import Project, load
from toolkit.sending.pipeline import SendPipeline

app = command_app()

_INTERRUPTED = 130  # as shells count: 128 and SIGINT


@app.command("publish")
def publish(
    name: Annotated[
        str | None,
        typer.Argument(metavar="EVENT", help="On the wire, or its class.", show_default=False),
    ] = None,
    body: Annotated[
        str | None,
        typer.Argument(metavar="JSON", help="The message; - reads it from standard input."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How often, each with its own id.")] = 1,
    rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="So many a second: 50, 50/s or 3000/m.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="JSON lines: bodies, or what tap has saved."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="One more header.")
    ] = None,
    require_listener: Annotated[
        bool, typer.Option("--require-listener", help="Fail if nobody wants the event.")
    ] = False,
    broker: BrokerUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was done as JSON.")] = False,
) -> None:
    """Publish a message that a service of this project publishes or consumes.

    It is held against the contract of the service that owns it, and so is every line of a file,
    before the first goes out. The broker is that of --broker, else TOOLKIT_AMQP_URL, else of a
    running `toolkit dev`. It returns once the broker has confirmed. Lines that `toolkit tap --save`
    wrote go out as they came, with their ids, to where they went.

    \b
    Examples:
        toolkit publish orders.cancelled '{"order_id": "6d1..."}'
        toolkit publish OrderPlaced --from orders.jsonl --rate 50
        toolkit publish payments.requested '{"reference": "A-1"}' --count 1000
        toolkit publish --from tapped.jsonl

    Exit codes: 0 confirmed, 1 refused or not confirmed, 2 usage, 65 the JSON isn't what the
    contract says, 69 no broker, 77 refused by the broker, 78 configuration, 130 interrupted.
    """
    if (body is None) == (file is None):
        raise typer.BadParameter("give the message as JSON, or a file of them with --from")
    configure_logging(level="error")
    address = broker_address(Project.around(), broker)
    pace = Pace(parsed_rate(rate), time.monotonic) if rate else None
    entry = _entry(name) if name is not None else None
    pipeline = _pipeline(address, entry.codec if entry else JsonCodec())
    drafts = Drafts(entry, pipeline, _headers(header or []))
    total, publications = _drafted(drafts, body, file, count)
    if require_listener:
        publications = _required(publications)
    _publish(address, publications, total, pace, as_json=as_json)


def _entry(name: str) -> Entry:
    project = Project.find()
    with redirect_stdout(sys.stderr):  # what services print while they are imported
        return Catalogue.of(load(entry.name) for entry in project.services).find(name)


def _pipeline(address: Address, codec: Codec) -> SendPipeline:
    """Stamps and encodes; what it makes is sent by ourselves."""

    async def nowhere(*_: object) -> None:
        raise AssertionError("drafts are not sent by the pipeline")

    settings = address.settings()
    return SendPipeline(SENDER, nowhere, codec, Hooks(), timeout=settings.publish_timeout)


def _headers(given: Iterable[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ConfigurationError(f"'{text}' is no header", ["write --header NAME=VALUE"])
        headers[name] = value
    return headers


def _drafted(
    drafts: Drafts, body: str | None, file: Path | None, count: int
) -> tuple[int, Iterable[Publication]]:
    """How many, and each of them; all are known to be fit."""
    if file is not None:
        lines = proven(file, drafts.of_line)
        if not lines:
            raise UnfitError([f"{file} has no line in it"], 1)
        again = (one for _ in range(count) for one in from_file(file, drafts.of_line))
        return lines * count, again
    text = sys.stdin.buffer.read() if body == "-" else (body or "").encode(errors="surrogateescape")
    try:
        drafts.of(text)
    except ToolkitError as error:
        raise UnfitError([str(error)], 1) from error
    return count, (drafts.of(one) for one in repeat(text, count))


def _required(publications: Iterable[Publication]) -> Iterator[Publication]:
    for publication in publications:
        publication.is_required = True
        yield publication


def _publish(
    address: Address,
    publications: Iterable[Publication],
    total: int,
    pace: Pace | None,
    *,
    as_json: bool,
) -> None:
    tally, last = Tally(), [""]

    def noted() -> Iterator[Publication]:
        for publication in publications:
            last[0] = publication.envelope.message_id or ""
            yield publication

    async def send(on_progress: Callable[[], None]) -> None:
        async with connected(address) as (transport, settings):
            await publish_all(
                noted(),
                transport,
                timeout=settings.publish_timeout,
                tally=tally,
                pace=pace,
                on_progress=on_progress,
            )

    began = time.monotonic()
    interrupted = False
    with _progress(total) as advance:
        try:
            asyncio.run(send(advance))
        except KeyboardInterrupt:
            interrupted = True
    took = time.monotonic() - began
    _report(tally, total, took, last[0], as_json=as_json)
    if tally.error is not None:
        say(f"error: {tally.error}")
        raise typer.Exit(WRONG)
    if interrupted:
        raise typer.Exit(_INTERRUPTED)


def _report(tally: Tally, total: int, took: float, last_id: str, *, as_json: bool) -> None:
    if as_json:
        said: dict[str, Any] = {
            "asked": total,
            "confirmed": tally.confirmed,
            "unheard": tally.unheard,
            "seconds": round(took, 3),
        }
        print_json(said | ({"message_id": last_id} if total == 1 else {}))
    elif total == 1:
        if tally.confirmed:
            typer.echo(last_id)
    else:
        rate = tally.confirmed / took if took else 0
        typer.echo(f"{tally.confirmed:,} of {total:,} confirmed in {took:.1f} s ({rate:,.0f}/s)")
    if tally.unheard:
        of_them = "it" if total == 1 else f"{tally.unheard:,} of them, such as {tally.unheard_name}"
        say(f"nobody listens to {of_them}: the broker has thrown it away")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar, where there is somebody to see it and more than a glance to be seen."""
    if total < 100 or not (is_terminal() and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.progress import Progress  # noqa: PLC0415 - only for a bar

    with Progress(console=console(to_stderr=True), transient=True) as progress:
        task = progress.add_task("publishing", total=total)
        yield lambda: progress.advance(task)
