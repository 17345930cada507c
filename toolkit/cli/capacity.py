"""`toolkit capacity`: how many consumers are enough, and how long a peak lasts.

Receives a load, said or measured, hands answers of a queueing model to a table, to JSON, to a plot
or to a picture.
"""

import asyncio
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from toolkit.cli.ending import OK, WRONG
from toolkit.cli.option import AsJson, BrokerUrl, ManagementUrl
from toolkit.cli.output import command_app, console, is_terminal, print_json, say
from toolkit.errors import ToolkitError
from toolkit.observability.logging import configure_logging
from toolkit.operations.capacity.answer import PERCENTS, Answer, answer
from toolkit.operations.capacity.measurement import load_of, measured
from toolkit.operations.capacity.peak import Peak
from toolkit.operations.capacity.quantity import parse_rate, parse_time
from toolkit.operations.capacity.station import Station
from toolkit.operations.capacity.target import Target
from toolkit.operations.rates.source import window_of
from toolkit.operations.rates.words import duration, rate

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

app = command_app()


@app.command("capacity")
def plan_consumers(
    arrivals: Annotated[
        str | None, typer.Option(metavar="RATE", help="What comes in: 120/s, 90/min.")
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long a handler has one message: 40ms, 1.5s."),
    ] = None,
    from_queue: Annotated[
        str | None,
        typer.Option(
            metavar="QUEUE", help="Measure both on this queue, over the last ten minutes."
        ),
    ] = None,
    cv_arrivals: Annotated[
        float,
        typer.Option(min=0, max=100, help="How much times between arrivals vary; 1 is Poisson."),
    ] = 1.0,
    cv_service: Annotated[
        float,
        typer.Option(min=0, max=100, help="How much handling times vary; 0 is always the same."),
    ] = 1.0,
    target: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="The wait to hold: 'p95 < 500ms', 'mean < 200ms'."),
    ] = None,
    consumers: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="What so many of them come to.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="How many messages a consumer handles at once."),
    ] = None,
    peak: Annotated[
        str | None, typer.Option(metavar="PEAK", help="How long this lasts: '300/s for 10m'.")
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the peak's backlog with characters.")
    ] = False,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it as a PNG; needs matplotlib.")
    ] = None,
    broker: BrokerUrl = None,
    management: ManagementUrl = None,
    window: Annotated[
        str, typer.Option(metavar="DURATION", help="How long --from-queue looks back.")
    ] = "10m",
    as_json: AsJson = False,
) -> None:
    r"""Say how many consumers hold a latency target, and how long a peak is worked off.

    A wait is the time from a message's arrival until a handler begins with it. Arrivals and
    handling times are said, or measured on a queue of a broker; without --target or --consumers
    some numbers of consumers are compared.

    \b
    Examples:
        toolkit capacity --arrivals 120/s --service 40ms --target 'p95 < 100ms'
        toolkit capacity --arrivals 120/s --service 40ms --cv-service 0.5 --consumers 6
        toolkit capacity --from-queue notifications.send-confirmation --target 'mean < 1s'
        toolkit capacity --arrivals 120/s --service 40ms --consumers 8 --peak '300/s for 10m' --plot

    The model is M/M/c with the correction of Allen and Cunneen; peaks are a fluid. Both, and what
    they leave out, are in docs/capacity.md.

    Exit codes: 0 answered, 1 so many consumers don't hold the target, 2 usage, 65 no such queue, or
    nothing to measure on it, 69 no broker, 73 a file can't be written, 77 refused by the broker,
    78 configuration.
    """
    wanted = _parsed(Target.parsed, target, "--target")
    wave = _parsed(Peak.parsed, peak, "--peak")
    said = (
        _parsed(parse_rate, arrivals, "--arrivals"),
        _parsed(parse_time, service, "--service"),
    )
    if (plot or png) and wave is None:
        raise typer.BadParameter("a peak is what is drawn: give --peak '300/s for 10m'")
    flow = None
    if from_queue is not None:
        seconds = _parsed(window_of, window, "--window") or 0.0
        configure_logging(level="error")
        flow = asyncio.run(
            measured(from_queue, broker=broker, management=management, window=seconds, say=say)
        )
    try:
        load = load_of(said, flow, cv_arrivals=cv_arrivals, cv_service=cv_service)
        found = answer(
            load, wanted, concurrency=concurrency, consumers=consumers, peak=wave, flow=flow
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if png is not None:
        _draw(found, png)
    if as_json:
        print_json(found.document())
    else:
        _show(found, is_plotted=plot)
    raise typer.Exit(OK if found.is_held else WRONG)


def _parsed(parse: "Callable[[str], T]", text: str | None, option: str) -> T | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _show(answer: Answer, *, is_plotted: bool) -> None:
    load = answer.load
    measured = f", measured on {answer.flow.queue}" if answer.flow else ""
    typer.echo(
        f"{rate(load.arrivals)}/s, {duration(load.service)} each{measured}: "
        f"{load.offered:.3g} handlers busy on average; a consumer has {answer.concurrency}"
    )
    if answer.target is not None:
        typer.echo(f"{answer.target} is held by {answer.needed} consumers")
        if not answer.is_held:
            typer.echo(f"{answer.chosen} don't hold it")
    _table(answer)
    if answer.wave is None or answer.peak is None:
        return
    wave, times = answer.wave, f"the peak of {duration(answer.peak.seconds)}"
    if wave.work_off == inf:
        typer.echo(f"{times} is never worked off by {answer.chosen} consumers")
    elif not wave.highest:
        typer.echo(f"{times} leaves no backlog with {answer.chosen} consumers")
    else:
        typer.echo(
            f"with {answer.chosen} consumers {times} leaves {wave.highest:,.0f} messages, which "
            f"wait for up to {duration(wave.longest_wait)}; worked off {duration(wave.work_off)} "
            "after its end"
        )
    if is_plotted:
        from toolkit.operations.capacity.plot import plot  # noqa: PLC0415 - only when asked for

        typer.echo()
        typer.echo(plot(wave.points))


_COLUMNS = ("consumers", "busy", "wait at all", "mean wait", "p50", "p95", "p99", "mean latency")


def _table(answer: Answer) -> None:
    rows = [_row(station) for station in answer.stations]
    if is_terminal():
        from rich.table import Table  # noqa: PLC0415 - only where it is drawn

        table = Table(box=None, header_style="bold")
        for title in _COLUMNS:
            table.add_column(title, justify="right", no_wrap=True)
        for row, station in zip(rows, answer.stations, strict=True):
            table.add_row(*row, style="bold" if station.consumers == answer.chosen else "")
        console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for line in (_COLUMNS, *rows):
        cells = zip(line, widths, strict=True)
        typer.echo("  ".join(cell.rjust(width) for cell, width in cells))


def _row(station: Station) -> tuple[str, ...]:
    times = (
        station.mean_wait,
        *(station.wait(percent) for percent in PERCENTS),
        station.mean_latency,
    )
    return (
        str(station.consumers),
        f"{station.utilisation:.0%}",
        f"{station.chance_of_waiting:.0%}",
        *("for ever" if time == inf else duration(time) for time in times),
    )


def _draw(answer: Answer, path: Path) -> None:
    from toolkit.operations.capacity.picture import draw  # noqa: PLC0415 - only when asked for

    assert answer.wave is not None
    try:
        draw({f"{answer.chosen} consumers": answer.wave.points}, path)
    except OSError as error:
        raise CannotWriteError(f"{path} can't be written: {error.strerror}") from error
    say(f"drawn: {path}")


class CannotWriteError(ToolkitError):
    """A file that was asked for isn't there now."""

    exit_code = 73  # sysexits.h: EX_CANTCREAT
