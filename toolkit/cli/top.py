"""`toolkit top`: how fast messages come and go, and when each backlog is done.

Receives names of services and queues, hands readings of a broker to a table, to JSON lines or to a
screen with keys.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.option import BrokerUrl, ManagementUrl, ManyServices
from toolkit.cli.output import command_app, console, is_terminal, print_json, say
from toolkit.observability.logging import configure_logging
from toolkit.operations.address import broker_address
from toolkit.operations.management import NoManagementError
from toolkit.operations.rates.flow import Flow
from toolkit.operations.rates.source import Reading, Source, flows_of, opened, window_of
from toolkit.operations.rates.view import View, arranged, pressed
from toolkit.operations.rates.wanted import Wanted, wanted_of
from toolkit.operations.rates.words import columns, duration, remarks, row
from toolkit.policies.duration import parse_duration
from toolkit.project import Project

if TYPE_CHECKING:
    from rich.console import RenderableType

app = command_app()

_SHORTEST = 0.5  # seconds between two looks
_KEYS = "q quit  p c Q d n sort  r reverse  space pause  / filter"
_NARROWEST_NAME = 20  # columns, whatever becomes of the numbers beside it
_STYLES = {"never": "bold red", "draining": "yellow", "gone": "dim", "idle": "dim"}


@app.command("top")
def show_rates(
    services: ManyServices = None,
    queues: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="PATTERN", help="Only these: a name, or with * and ?."),
    ] = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    window: Annotated[
        str, typer.Option(metavar="DURATION", help="Rates are means over so long.")
    ] = "1m",
    within: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="Say how many more consumers drain a backlog within this."
        ),
    ] = "10m",
    interval: Annotated[
        str, typer.Option(metavar="DURATION", help="How often to look; the broker counts each 5s.")
    ] = "2s",
    once: Annotated[bool, typer.Option("--once", help="One look, and no keys.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON document; without --once, one in each line.")
    ] = False,
) -> None:
    r"""Show rates, backlogs and when they are drained; touches no message.

    P is what comes into a queue in a second, C what is acked, Q what is ready or unacked. A backlog
    is drained in Q/(C-P); "never" where C <= P, "keeping up" where nothing waits. SERVICE is the
    name of a service of this project, or MODULE:NAME; without one, all queues of the virtual host
    are shown.

    \b
    Examples:
        toolkit top
        toolkit top notifications --within 5m
        toolkit top --queue '*.dead' --once
        toolkit top --once --json

    On a terminal: p, c, Q, d and n sort by rates, backlog, time to drain and name, r the other way
    round, space holds still, / filters by a part of the name, q quits.

    Rates come from the management API, which is some seconds late. Without it ready messages,
    consumers and growth remain, of the queues that are known by name.

    Exit codes: 0 shown, 2 usage, 65 there is no such queue, 69 no broker, 77 refused by the broker,
    78 configuration.
    """
    configure_logging(level="error")
    look = _Look(
        window=_seconds(window_of, window, "--window"),
        within=_seconds(_some_time, within, "--within"),
        interval=_seconds(_some_time, interval, "--interval"),
        wanted=wanted_of(services or [], queues or [], say),
        is_once=once,
        is_json=as_json,
    )
    address = broker_address(Project.around(), broker)

    async def show() -> None:
        async with opened(
            address, look.wanted, management=management, window=look.window
        ) as source:
            await look.show(source)

    with suppress(KeyboardInterrupt):
        asyncio.run(show())


def _some_time(text: str) -> float:
    seconds = parse_duration(text).total_seconds()
    if seconds < _SHORTEST:
        raise ValueError(f"{text!r} is shorter than half a second")
    return seconds


def _seconds(parse: Callable[[str], float], text: str, option: str) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


class _Look:
    """One use of the command: what is read, and how it is shown."""

    def __init__(
        self,
        *,
        window: float,
        within: float,
        interval: float,
        wanted: Wanted,
        is_once: bool,
        is_json: bool,
    ) -> None:
        self.window, self.within, self.interval = window, within, interval
        self.wanted, self.is_once, self.is_json = wanted, is_once, is_json
        self._flows: tuple[Flow, ...] = ()
        self._note: str | None = None

    async def show(self, source: Source) -> None:
        """Until it is done, or somebody has seen enough."""
        if self.is_once:
            await self._show_once(source)
        elif self.is_json or not (is_terminal() and sys.stdin.isatty()):
            await self._stream(source)
        else:
            await self._live(source)

    async def _show_once(self, source: Source) -> None:
        reading = await source.read()
        if source.patience:
            say(f"counting for {duration(source.patience)}")
            await asyncio.sleep(source.patience)
            reading = await source.read()
        self._take(reading)
        if self.is_json:
            print_json(self._document(reading))
        else:
            self._print()

    async def _stream(self, source: Source) -> None:
        while True:
            reading = await source.read()
            self._take(reading)
            if self.is_json:
                typer.echo(json.dumps(self._document(reading), ensure_ascii=False))
            else:
                self._print()
                typer.echo()
            await asyncio.sleep(self.interval)

    async def _live(self, source: Source) -> None:
        from rich.live import Live  # noqa: PLC0415 - only for a terminal

        view = View()
        with _keys() as keys, Live(console=console(), screen=True, auto_refresh=False) as screen:
            due = 0.0
            clock = asyncio.get_running_loop().time
            while not view.has_ended:
                if clock() >= due and not view.is_paused:
                    await self._read(source)
                    due = clock() + self.interval
                screen.update(self._screen(view), refresh=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.05, due - clock())):
                        view = pressed(view, await keys.get())

    async def _read(self, source: Source) -> None:
        """A management API that is away for a moment doesn't end the show."""
        try:
            self._take(await source.read())
        except NoManagementError as error:
            self._note = f"these figures are old: {error}"

    def _take(self, reading: Reading) -> None:
        self._flows = flows_of(reading, self.wanted, within=self.within, before=self._flows)
        self._note = reading.note

    def _document(self, reading: Reading) -> dict[str, Any]:
        return {
            "at": reading.at,
            "measured_by": reading.measured_by,
            "note": reading.note,
            "within": self.within,
            "queues": [asdict(flow) for flow in arranged(self._flows, View())],
        }

    def _print(self) -> None:
        flows = arranged(self._flows, View())
        if is_terminal():
            console().print(self._table(flows))
        else:
            rows = [columns(timedelta(seconds=self.within)), *map(row, flows)]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for line in rows:
                cells = zip(line, widths, strict=True)
                typer.echo("  ".join(cell.ljust(width) for cell, width in cells).rstrip())
        for remark in self._remarks(flows):
            say(remark)

    def _remarks(self, flows: list[Flow]) -> list[str]:
        nothing = [] if flows else ["no queue to show"]
        return [*nothing, *remarks(flows), *([self._note] if self._note else [])]

    def _screen(self, view: View) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415 - only for a terminal
        from rich.text import Text  # noqa: PLC0415

        flows = arranged(self._flows, view)
        state = " (held)" if view.is_paused else ""
        bar = f"/{view.part}_" if view.is_typing else f"{_KEYS}{state}"
        if view.part and not view.is_typing:
            bar += f"  filter: {view.part}"
        lines = [Text(remark, style="dim") for remark in self._remarks(flows)]
        return Group(self._table(flows), *lines, Text(bar, style="bold"))

    def _table(self, flows: list[Flow]) -> "RenderableType":
        from rich.table import Table  # noqa: PLC0415 - only for a terminal
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, header_style="bold")
        for number, title in enumerate(columns(timedelta(seconds=self.within))):
            table.add_column(
                title,
                justify="right" if number else "left",
                overflow="fold",  # on a narrow screen all take more lines, and stay whole
                min_width=None if number else _NARROWEST_NAME,
            )
        for flow in flows:
            table.add_row(*map(Text, row(flow)), style=_STYLES.get(flow.verdict, ""))
        return table


@contextmanager
def _keys() -> "Iterator[asyncio.Queue[str]]":
    """Each key as it is pressed. However this ends, the terminal is as it was."""
    import termios  # noqa: PLC0415 - not on every system, and only for a terminal
    import tty  # noqa: PLC0415

    loop, keys = asyncio.get_running_loop(), asyncio.Queue[str]()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def read() -> None:
        text = os.read(descriptor, 64).decode(errors="replace")
        for key in text or "q":  # the terminal is gone
            keys.put_nowait(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield keys
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
