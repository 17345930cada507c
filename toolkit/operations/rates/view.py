"""How somebody looks at the queues: sorted by what, filtered by what, and which key does what.

Receives keys from a terminal, hands flows in the order in which they are drawn.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from toolkit.operations.rates.flow import Flow, Verdict

_URGENT: dict[Verdict, int] = {"never": 3, "draining": 2, "unknown": 1}


def _drain(flow: Flow) -> tuple[int, float]:
    return _URGENT.get(flow.verdict, 0), flow.drains_in or 0.0


ORDERS: dict[str, tuple[str, Callable[[Flow], tuple[int, float]]]] = {
    "p": ("in", lambda flow: (0, flow.arrivals or 0.0)),
    "c": ("out", lambda flow: (0, flow.completions or 0.0)),
    "Q": ("backlog", lambda flow: (0, flow.backlog or 0)),
    "d": ("drains in", _drain),
}
"""What the largest of comes first, by its key; `n` is by name."""
BY_NAME = "n"

ENTER, ESCAPE, BACKSPACE = "\r\n", "\x1b", "\x7f\b"


@dataclass(frozen=True, slots=True)
class View:
    """`typing` while keys are part of the filter."""

    order: str = "Q"
    is_reversed: bool = False
    is_paused: bool = False
    part: str = ""
    is_typing: bool = False
    has_ended: bool = False


def pressed(view: View, key: str) -> View:
    """What a key makes of it; one that means nothing changes nothing."""
    if view.is_typing:
        return _typed(view, key)
    if key in ORDERS or key == BY_NAME:
        return replace(view, order=key, is_reversed=False)
    act = _ACTIONS.get(key)
    return act(view) if act else view


_ACTIONS: dict[str, Callable[[View], View]] = {
    "q": lambda view: replace(view, has_ended=True),
    "r": lambda view: replace(view, is_reversed=not view.is_reversed),
    " ": lambda view: replace(view, is_paused=not view.is_paused),
    "/": lambda view: replace(view, is_typing=True, part=""),
    ESCAPE: lambda view: replace(view, part=""),
}


def _typed(view: View, key: str) -> View:
    if key in ENTER:
        return replace(view, is_typing=False)
    if key == ESCAPE:
        return replace(view, is_typing=False, part="")
    if key in BACKSPACE:
        return replace(view, part=view.part[:-1])
    return replace(view, part=view.part + key) if key.isprintable() else view


def arranged(flows: Iterable[Flow], view: View) -> list[Flow]:
    """Those whose name has the filter's text in it; equal ones by name."""
    shown = sorted((flow for flow in flows if view.part in flow.queue), key=lambda flow: flow.queue)
    if view.order != BY_NAME:
        shown.sort(key=ORDERS[view.order][1], reverse=True)
    return shown[::-1] if view.is_reversed else shown
