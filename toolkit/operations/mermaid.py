"""A picture as text for Mermaid, which many places that show Markdown draw by themselves.

Receives a picture, hands a flowchart (https://mermaid.js.org/syntax/flowchart.html).
"""

from collections.abc import Iterator

from toolkit.operations.picture import Band, Picture

_AS_ENTITIES = str.maketrans(
    {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}
)
"""What would be taken for something else than text, as Mermaid writes it."""


def mermaid(picture: Picture) -> str:
    """A flowchart, from left to right."""
    return "\n".join(("flowchart LR", *(f"    {line}" for line in _lines(picture)))) + "\n"


class _Names:
    """Short names for nodes: Mermaid takes few characters in them, and some words not at all."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}

    def __call__(self, kind: str, name: str) -> str:
        return self._given.setdefault((kind, name), f"{kind}{len(self._given)}")


def _lines(picture: Picture) -> Iterator[str]:
    name = _Names()
    for exchange, kind in picture.exchanges:
        yield f"{name('x', exchange)}{{{{{text(f'{exchange} ({kind})')}}}}}"
    for service in dict.fromkeys(one.service for one in picture.announcements):
        yield f"{name('p', service)}[/{text(service)}/]"
    for one in picture.announcements:
        what = text(f"{one.name} v{one.version}")
        yield f"{name('p', one.service)} -->|{what}| {name('x', one.exchange)}"
    if picture.strangers:
        yield f"{name('p', '')}[/{text('others')}/]"
    for exchange, key in picture.strangers:
        yield f"{name('p', '')} -->|{text(key)}| {name('x', exchange)}"
    for band in picture.bands:
        if band.consumers:
            yield from _band(band, name)
    for binding in picture.bindings:
        key = text(binding.routing_key)
        yield f"{name('x', binding.exchange)} -->|{key}| {name('q', binding.queue)}"
    yield from _looks(picture, name)


def _band(band: Band, name: _Names) -> Iterator[str]:
    yield f"subgraph {name('s', band.service)}[{text(band.service)}]"
    for one in band.consumers:
        queue, consumer, dead = _queue(one.queue, name), name("c", one.queue), one.dead_letters
        yield f"    {queue} --> {consumer}[{text(one.name)}]"
        yield f"    {consumer} -.->|{text('given up')}| {_queue(dead, name)}"
    if band.way_back is not None:
        ladder, back = name("l", band.service), name("x", band.way_back)
        yield f"    subgraph {ladder}[{text('tried again')}]"
        for rung in band.rungs:
            yield f"        {_queue(rung.queue, name)}"
        yield "    end"
        yield f"    {ladder} -.-> {back}{{{{{text(band.way_back)}}}}}"
        for one in band.consumers:
            if one.has_delays:
                yield f"    {name('c', one.queue)} -.-> {ladder}"
                yield f"    {back} -.-> {name('q', one.queue)}"
    for queue, purpose in band.others:
        yield f"    {_queue(queue, name, purpose)}"
    yield "end"


def _looks(picture: Picture, name: _Names) -> Iterator[str]:
    dead = [one.dead_letters for band in picture.bands for one in band.consumers]
    rungs = [rung.queue for band in picture.bands for rung in band.rungs]
    for look, colour, queues in (("dead", "#dc2626", dead), ("wait", "#d97706", rungs)):
        if queues:
            yield f"classDef {look} stroke:{colour},stroke-dasharray:4 3"
            yield f"class {','.join(name('q', queue) for queue in queues)} {look}"


def _queue(queue: str, name: _Names, *more: str) -> str:
    return f"{name('q', queue)}[({text(queue, *more)})]"


def text(*lines: str) -> str:
    """Quoted, each on a line of its own."""
    return f'"{"<br/>".join(line.translate(_AS_ENTITIES) for line in lines)}"'
