"""What a broker holds of services, drawn with its counts.

Receives what is declared and what is there, hands a flowchart for Mermaid, or the parts of the
picture of `toolkit describe` with counts in them.
"""

from collections.abc import Iterator
from dataclasses import replace

from toolkit.operations.description import describe
from toolkit.operations.mermaid import text
from toolkit.operations.picture import Consumer, Picture, Rung, picture_of
from toolkit.operations.topology.declared import Declared
from toolkit.topology.live import Live, LiveQueue


def live_mermaid(declared: Declared, live: Live) -> str:
    """Every exchange, queue and binding that is there under these services' names."""
    return "\n".join(("flowchart LR", *(f"    {line}" for line in _lines(declared, live)))) + "\n"


def _lines(declared: Declared, live: Live) -> Iterator[str]:
    names = sorted(n for n in live.queues if n in declared.names or declared.owner(n))
    numbers = {name: f"q{number}" for number, name in enumerate(names)}
    sources = sorted({bound.exchange for name in names for bound in live.bounds(name)})
    hubs = {name: f"x{number}" for number, name in enumerate(sources)}
    for name, hub in hubs.items():
        kind = live.exchanges[name].type if name in live.exchanges else "gone"
        yield f"{hub}{{{{{text(f'{name} ({kind})')}}}}}"
    for name, number in numbers.items():
        yield f"{number}[({text(name, _counts(live.queues[name]))})]"
    for name, number in numbers.items():
        for bound in live.bounds(name):
            key = f"|{text(bound.routing_key)}|" if bound.routing_key else ""
            yield f"{hubs[bound.exchange]} -->{key} {number}"
    yield from _classes(declared, live, numbers)


def _classes(declared: Declared, live: Live, numbers: dict[str, str]) -> Iterator[str]:
    yield "classDef waiting stroke:#b7791f,stroke-width:2px"
    yield "classDef extra stroke:#c0392b,stroke-dasharray:4 3"
    waiting = [number for name, number in numbers.items() if live.queues[name].ready]
    extra = [number for name, number in numbers.items() if name not in declared.names]
    for kind, members in (("waiting", waiting), ("extra", extra)):
        if members:
            yield f"class {','.join(members)} {kind}"


def live_picture(declared: Declared, live: Live) -> Picture:
    """The picture of what is declared, with what is in each queue."""
    picture = picture_of(describe(declared.services))
    bands = tuple(
        replace(
            band,
            consumers=tuple(_consumer(one, live) for one in band.consumers),
            rungs=tuple(_rung(one, live) for one in band.rungs),
        )
        for band in picture.bands
    )
    return replace(picture, bands=bands)


def _consumer(consumer: Consumer, live: Live) -> Consumer:
    return replace(
        consumer,
        queue_facts=_counts(live.queues.get(consumer.queue)),
        dead_letter_facts=_counts(live.queues.get(consumer.dead_letters)),
    )


def _rung(rung: Rung, live: Live) -> Rung:
    found = live.queues.get(rung.queue)
    return replace(rung, facts=f"{found.ready:,} waiting" if found else "isn't there")


def _counts(queue: LiveQueue | None) -> str:
    if queue is None:
        return "isn't there"
    return f"{queue.type}, {queue.content}"
