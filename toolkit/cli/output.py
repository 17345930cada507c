"""How commands speak: rich on a terminal, plain text otherwise, JSON where a machine asks.

Receives tables and values from the commands, hands them to standard output; what is said on the way
goes to standard error, so that output can be piped.
"""

import json
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from toolkit.policies.duration import parse_duration

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 100


def is_terminal() -> bool:
    """Whether a person reads along."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def command_app(*, takes_commands: bool = False) -> typer.Typer:
    """What a command's module calls `app`."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,  # help is text, and there at once
        pretty_exceptions_enable=False,
        no_args_is_help=takes_commands,
    )


def console(*, to_stderr: bool = False) -> "Console":
    """Where a command draws. Colours and width follow the terminal; without one, plain lines."""
    from rich.console import Console  # noqa: PLC0415 - not every command draws

    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PLAIN_WIDTH
    return Console(file=stream, highlight=False, soft_wrap=not stream.isatty(), width=width)


def duration(text: str) -> timedelta:
    """An option's value such as 30s. Raises typer's error, which names the option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def say(sentence: str) -> None:
    """What goes on, for people: a line on standard error."""
    typer.echo(sentence, err=True)


def printable(text: str) -> str:
    """What a stranger sent, so that it can be shown: nothing in it is an order to the terminal."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))
