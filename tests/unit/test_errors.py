"""The tree of errors, as it is drawn and as it is."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import toolkit
from toolkit import errors
from toolkit.policies.verdict import Verdict

_INDENT = 4


def drawn() -> dict[str, str]:
    """Every error in the docstring, with the one it hangs from."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    branch: list[str] = []
    for line in errors.__doc__.splitlines():
        stripped = line.lstrip(" │├└─")
        name = stripped.split(" ")[0]
        if not name.endswith("Error") and name != "Verdict":
            continue
        depth = (len(line) - len(stripped) + 2) // _INDENT
        branch[depth:] = [name]
        if depth:
            parents[name] = branch[depth - 1]
    return parents


def defined() -> dict[str, str]:
    """Every error in the module, with its base; verdicts live beside the policies."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.ToolkitError)
    ]
    parents = {kind.__name__: kind.__base__.__name__ for kind in kinds if kind.__base__}
    del parents["ToolkitError"]
    return parents | {"Verdict": Verdict.__bases__[0].__name__}


def test_the_tree_in_the_docstring_is_the_tree_in_the_module() -> None:
    """Whoever reads it knows what to catch."""
    assert drawn() == defined()
    assert len(drawn()) > 15


def every_error() -> Iterator[type[BaseException]]:
    for module in pkgutil.walk_packages(toolkit.__path__, "toolkit."):
        if module.name != "toolkit.__main__":
            yield from (
                kind
                for kind in vars(importlib.import_module(module.name)).values()
                if inspect.isclass(kind)
                and issubclass(kind, BaseException)
                and kind.__module__ == module.name
            )


def test_every_error_of_ours_has_the_one_root() -> None:
    """Save those of the test support and those that never leave their file's room."""
    strangers = {
        kind
        for kind in every_error()
        if not issubclass(kind, errors.ToolkitError)
        and not kind.__module__.startswith(("toolkit.testing", "toolkit.transport."))
    }
    assert strangers == set()


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            errors.ConfigurationError("It can't work", ["this", "that"]),
            ["It can't work:\n  - this\n  - that"],
        ),
        (
            errors.UnhandledTypeError("orders.shipped", ["orders.placed", "orders.cancelled"]),
            ["'orders.shipped'", "orders.placed, orders.cancelled"],
        ),
        (errors.UnhandledTypeError(None, ["orders.placed"]), ["a message without a type"]),
        (
            errors.UnroutableError("lost", exchange="", routing_key="q", message_id="m"),
            ["exchange '(default)'", "routing key 'q'", "message id m"],
        ),
        (
            errors.PublishTimeoutError(
                "late", exchange="events", routing_key="k", may_have_arrived=True
            ),
            ["late", "exchange 'events'", "routing key 'k'", "message id none"],
        ),
        (
            errors.TopologyError("It differs", ["this"], refusals=["that"]),
            ["It differs:\n  - this"],
        ),
        (errors.HandlerTimeoutError("Ship", 1.5), ["Ship", "1.5s", "`timeout`"]),
        (
            errors.Difference("queue", "q", "x-max-length", 5, None),
            ["queue 'q'", "x-max-length should be 5", "has nothing"],
        ),
    ],
)
def test_an_error_says_what_it_knows(error: object, parts: list[str]) -> None:
    """The sentence is made where the facts are."""
    for part in parts:
        assert part in str(error)
