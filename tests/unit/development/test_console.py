"""Every line says whose it is."""

import io

import pytest

from toolkit.development.console import Console


class Terminal(io.StringIO):
    """A stream with a person before it."""

    def isatty(self) -> bool:
        return True


def test_names_are_as_wide_as_the_widest() -> None:
    """So that the texts begin below one another."""
    stream = io.StringIO()
    console = Console(["orders", "notifications"], stream)
    console.line("orders", "one")
    console.line("notifications", "two")
    console.say("three")
    assert stream.getvalue().splitlines() == [
        "orders        │ one",
        "notifications │ two",
        "toolkit       │ three",
    ]


def test_each_name_has_a_colour_of_its_own_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    console = Console(["a", "b"], stream)
    for name in ("a", "b", "a"):
        console.line(name, "x")
    first, second, third = (line.partition("m")[0] for line in stream.getvalue().splitlines())
    assert first == third != second


def test_colours_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    """By NO_COLOR (https://no-color.org)."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Console(["a"], stream).line("a", "x")
    assert "\x1b" not in stream.getvalue()
