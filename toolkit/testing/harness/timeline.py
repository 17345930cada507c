"""The journal as a tree, cause under cause.

Receives the journal, hands text to whoever has to find out why a test failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from toolkit.testing.harness.journal import Journal
from toolkit.testing.harness.record import Published

_SHORT = 8  # characters of an id
_MOST_ROOTS = 50  # messages that nothing caused; of more, the latest are shown


@dataclass(slots=True)
class _Node:
    title: str
    cause: str | None
    steps: list[tuple[datetime, str]] = field(default_factory=list)
    effects: list["_Node"] = field(default_factory=list)


def timeline(journal: Journal) -> str:
    """Each message with all that became of it, and under it what its handling published."""
    nodes = _nodes(journal)
    if not nodes:
        return "No message was published."
    begin = min(at for node in nodes.values() for at, _ in node.steps)
    roots: list[_Node] = []
    for node in nodes.values():
        cause = nodes.get(node.cause or "")
        (roots if cause is None or cause is node else cause.effects).append(node)
    lines = [line for root in roots[-_MOST_ROOTS:] for line in _drawn(root, begin, "")]
    if (hidden := len(roots) - _MOST_ROOTS) > 0:
        lines.insert(0, f"(and {hidden} before these)")
    return "\n".join(["Messages, cause under cause:", *lines])


def _nodes(journal: Journal) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    for record in journal.records:
        if isinstance(record, Published):
            node = _node(nodes, record.message_id, record.type, record.causation_id)
            heard = {
                "confirmed": f"published by {record.service}",
                "returned": f"published by {record.service}, and nobody listens",
            }.get(record.fate, f"{record.service} could not publish it: {record.fate}")
            node.steps.append((record.at, heard))
    for told in journal.told:
        envelope = told.envelope
        node = _node(nodes, envelope.message_id, envelope.type, None)
        node.steps.append((told.at, told.what))
    for node in nodes.values():
        node.steps.sort(key=lambda step: step[0])
    return nodes


def _node(
    nodes: dict[str, _Node], message_id: str | None, name: str | None, cause: str | None
) -> _Node:
    title = f"{name or 'a message without a type'} {(message_id or 'without an id')[:_SHORT]}"
    return nodes.setdefault(message_id or "", _Node(title, cause))


def _drawn(node: _Node, begin: datetime, indent: str) -> Iterator[str]:
    yield f"{indent}{node.title}"
    bar = "│  " if node.effects else "   "
    for at, what in node.steps:
        yield f"{indent}{bar}{f'+{(at - begin).total_seconds():g}s':<8} {what}"
    for number, effect in enumerate(node.effects, start=1):
        is_last = number == len(node.effects)
        first, *rest = _drawn(effect, begin, "")
        yield f"{indent}{'└─ ' if is_last else '├─ '}{first}"
        for line in rest:
            yield f"{indent}{'   ' if is_last else '│  '}{line}"
