"""How dead letters are shown: a row, a page, or values for JSON.

Receives letters and groups, hands text to the terminal. What a stranger wrote into a message can't
steer it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer

from toolkit.cli.output import console, is_terminal, printable
from toolkit.operations.dead_letters.group import Group
from toolkit.operations.dead_letters.letter import Letter


def counted(number: int, noun: str) -> str:
    """`1 letter`, `2 letters`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def error_of(letter: Letter) -> str:
    """Type and text, on one line."""
    fault = letter.fault
    kind = fault.error_type or fault.reason or "unknown"
    text = " ".join((fault.error_message or "").split())
    return f"{kind}: {text}" if text else kind


def _moment(moment: datetime | None) -> str:
    return "unknown" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _again(letter: Letter) -> str:
    if not letter.replays:
        return ""
    same = "failed the same way" if letter.failed_the_same_way else "failed otherwise"
    return f"replayed {letter.replays}x, {same}"


def group_row(group: Group) -> tuple[str, ...]:
    """A group in a table."""
    types = sorted({letter.type or "unknown" for letter in group.letters})
    again = f" ({group.again:,} replayed, failed the same way)" if group.again else ""
    return (
        f"{group.count:,}",
        group.key,
        _cut(error_of(group.newest), 70) + again,
        ", ".join(types[:3]) + (" ..." if len(types) > 3 else ""),
        _moment(group.newest.at),
        ", ".join(group.queues),
    )


def letter_row(letter: Letter) -> tuple[str, ...]:
    """A letter in a table."""
    tries = "" if letter.fault.attempts is None else str(letter.fault.attempts)
    return (
        letter.id or "without id",
        _moment(letter.at),
        letter.type or "unknown",
        _cut(error_of(letter), 60),
        tries,
        letter.queue,
        _again(letter),
    )


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def group_facts(group: Group) -> dict[str, Any]:
    """A group for JSON, with its newest letter."""
    return {
        "group": group.key,
        "count": group.count,
        "queues": group.queues,
        "replayed_before": group.again,
        "newest": facts(group.newest),
    }


def facts(letter: Letter, *, whole: bool = False) -> dict[str, Any]:
    """A letter for JSON; `whole` has headers, body and stack too."""
    fault = asdict(letter.fault)
    found: dict[str, Any] = {
        "id": letter.id,
        "queue": letter.queue,
        "type": letter.type,
        "replays": letter.replays,
        "failed_the_same_way": letter.failed_the_same_way,
        "fault": fault if whole else {k: v for k, v in fault.items() if k != "stack"},
    }
    if whole:
        found["headers"] = {name: _plain(value) for name, value in letter.envelope.headers.items()}
        found["body"] = shown(letter.envelope.body)
    return found


def _plain(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case None | bool() | int() | float():
            return value
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
    return str(value)


def shown(body: bytes) -> str:
    """A body as text; what is none as escapes."""
    return body.decode("utf-8", "backslashreplace")


def print_letter(letter: Letter) -> None:
    """A letter as a person reads it."""
    fault = letter.fault
    head = f"{letter.type or 'unknown'} {letter.id or 'without id'} in {letter.queue}"
    typer.echo(printable(head))
    rows = {
        "reason": fault.reason,
        "error": error_of(letter),
        "failed": _moment(letter.at),
        "first failed": fault.first_failed_at and _moment(fault.first_failed_at),
        "tries": fault.attempts,
        "where": " ".join(filter(None, (fault.service, fault.consumer, fault.host))),
        "replay goes to": fault.queue or "unknown: name a queue with --to",
        "group": fault.fingerprint,
        "recorded by": fault.source,
        "again": _again(letter),
    }
    for name, value in rows.items():
        if value:
            typer.echo(f"  {name:<15} {printable(str(value))}")
    typer.echo("\nheaders")
    for name, value in letter.envelope.headers.items():
        if value != fault.stack:
            typer.echo(f"  {printable(name):<24} {printable(str(_plain(value)))}")
    typer.echo("\nbody")
    try:
        body = json.dumps(letter.decoded(), indent=2, ensure_ascii=False)
    except ValueError:
        body = shown(letter.envelope.body)
    typer.echo(_indented(body))
    if fault.stack:
        typer.echo("\nstack")
        typer.echo(_indented(fault.stack))


def _indented(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in text.splitlines())


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Rich on a terminal, plain lines otherwise."""
    rows = [tuple(printable(cell) for cell in row) for row in rows]
    if is_terminal():
        from rich.table import Table  # noqa: PLC0415 - only where it is drawn
        from rich.text import Text  # noqa: PLC0415

        table = Table(*columns, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console().print(table)
        return
    typer.echo(title)
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"  {'  '.join(cells).rstrip()}")
