"""A picture as text for Mermaid, which many places that show Markdown draw by themselves.

Receives a picture, hands a flowchart (https://mermaid.js.org/syntax/flowchart.html).
"""

from collections.abc import Iterator

from toolkit.operations.picture import Band, Picture


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
        yield f"{name('x', exchange)}{{{{{_text(f'{exchange} ({kind})')}}}}}"
    for service in dict.fromkeys(one.service for one in picture.announcements):
        yield f"{name('p', service)}[/{_text(service)}/]"
    for one in picture.announcements:
        what = _text(f"{one.name} v{one.version}")
        yield f"{name('p', one.service)} -->|{what}| {name('x', one.exchange)}"
    if picture.strangers:
        yield f"{name('p', '')}[/{_text('others')}/]"
    for exchange, key in picture.strangers:
        yield f"{name('p', '')} -->|{_text(key)}| {name('x', exchange)}"
    for band in picture.bands:
        yield from _band(band, name)
    for route in picture.routes:
        yield f"{name('x', route.exchange)} -->|{_text(route.key)}| {name('q', route.queue)}"
    yield "classDef dead stroke:#c0392b,stroke-dasharray:4 3"
    yield "classDef wait stroke:#b7791f,stroke-dasharray:4 3"
    dead = [name("q", taking.dead_letters) for band in picture.bands for taking in band.takings]
    if dead:
        yield f"class {','.join(dead)} dead"
    waits = [name("q", rung.queue) for band in picture.bands for rung in band.rungs]
    if waits:
        yield f"class {','.join(waits)} wait"


def _band(band: Band, name: _Names) -> Iterator[str]:
    if not band.takings:
        return
    yield f"subgraph {name('s', band.service)}[{_text(band.service)}]"
    for taking in band.takings:
        queue, consumer = name("q", taking.queue), name("c", taking.queue)
        dead = name("q", taking.dead_letters)
        yield f"    {queue}[({_text(taking.queue)})] --> {consumer}[{_text(taking.consumer)}]"
        yield f"    {consumer} -.->|given up| {dead}[({_text(taking.dead_letters)})]"
    if band.way_back is not None:
        ladder, back = name("l", band.service), name("x", band.way_back)
        yield f"    subgraph {ladder}[{_text('tried again')}]"
        for rung in band.rungs:
            yield f"        {name('q', rung.queue)}[({_text(rung.queue)})]"
        yield "    end"
        yield f"    {ladder} -.-> {back}{{{{{_text(band.way_back)}}}}}"
        for taking in band.takings:
            yield f"    {name('c', taking.queue)} -.-> {ladder}"
            yield f"    {back} -.-> {name('q', taking.queue)}"
    for queue, purpose in band.others:
        yield f"    {name('q', queue)}[({_text(f'{queue}<br/>{purpose}')})]"
    yield "end"


def _text(text: str) -> str:
    """Quoted; what would end the quotes is written as Mermaid wants it."""
    return '"' + text.replace("&", "#amp;").replace('"', "#quot;") + '"'
