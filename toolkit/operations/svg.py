"""A picture as SVG: who publishes, the exchanges, the queues, who consumes, from left to right.

Receives a picture, hands the text of an SVG document.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from toolkit.operations.paper import PADDING, Box, Paper, Point, width_of
from toolkit.operations.picture import Band, Consumer, Picture, Rung

_LINE = 18
_MARGIN = 24
_GAP = 128  # between columns: room for wires
_BUS = 16  # from a box to the line that goes around it
_FACT = 44  # characters in a line of what is said of a consumer
_INDENT = 20  # of dead letters below their queue
_WIRES = ("#2563eb", "#0d9488", "#9333ea", "#c2410c", "#4d7c0f", "#be185d", "#0369a1", "#7c2d12")

_Key = tuple[str, str]
"""An exchange, and a routing key there."""


def svg(picture: Picture) -> str:
    """The document."""
    return _Drawing(picture).text()


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    x: float
    width: float

    @property
    def right(self) -> float:
        return self.x + self.width


class _Drawing:
    """Columns are placed once, then each fills itself from top to bottom."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._paper = Paper()
        keys = [(name, key) for name, _ in picture.exchanges for key in picture.keys(name)]
        self._colours = {key: _WIRES[n % len(_WIRES)] for n, key in enumerate(keys)}
        self._leaves: dict[_Key, Point] = {}
        """Where what has this key leaves its exchange."""
        publishers = _Column("published by", _MARGIN, _widest(_announced(picture)))
        exchanges = _Column("exchanges", publishers.right + _GAP / 2, _widest(_passing(picture)))
        queues = _Column(
            "queues, and their dead letters", exchanges.right + _GAP, _widest_queue(picture)
        )
        in_band = _widest_row(picture) - queues.width - _GAP / 2
        consumers = _Column(
            "consumers", queues.right + _GAP / 2, max(in_band, _widest_consumer(picture))
        )
        self._columns = (publishers, exchanges, queues, consumers)
        self._publishers, self._exchanges, self._queues, self._consumers = self._columns

    def text(self) -> str:
        """Draws all of it."""
        for column in self._columns:
            self._paper.write(column.x, _MARGIN + 4, column.title, "head")
        top = _MARGIN + 22
        bottom = max(self._draw_exchanges(top), self._draw_publishers(top), self._draw_bands(top))
        title = ", ".join(band.service for band in self._picture.bands)
        right = self._consumers.right + 2 * _BUS + _MARGIN
        return self._paper.document(title, right, bottom + _MARGIN)

    def _draw_exchanges(self, y: float) -> float:
        """One box for each, with a row for each key; the end of the column."""
        for name, kind in self._picture.exchanges:
            keys = self._picture.keys(name)
            box = self._list(self._exchanges, y, f"{name} ({kind})", keys, "exchange")
            for number, key in enumerate(keys):
                self._leaves[name, key] = (box.right, _row(box, number))
            y = box.bottom + _LINE
        return y

    def _draw_publishers(self, y: float) -> float:
        """One box for each service that announces something; the end of the column."""
        for service in dict.fromkeys(one.service for one in self._picture.announcements):
            ours = [one for one in self._picture.announcements if one.service == service]
            rows = [f"{one.name} v{one.version}" for one in ours]
            box = self._list(self._publishers, y, service, rows, "box")
            for number, one in enumerate(ours):
                for key in self._picture.ways(one):
                    self._enter(box, number, (one.exchange, key))
            y = box.bottom + _LINE
        if strangers := self._picture.strangers:
            rows = [key for _, key in strangers]
            box = self._list(self._publishers, y, "others", rows, "stranger")
            for number, stranger in enumerate(strangers):
                self._enter(box, number, stranger)
            y = box.bottom + _LINE
        return y

    def _enter(self, box: Box, number: int, key: _Key) -> None:
        """From a row of a publisher to its exchange."""
        _, height = self._leaves[key]
        start, end = (box.right, _row(box, number)), (self._exchanges.x, height)
        self._paper.wire(start, end, self._colours[key])

    def _list(self, column: _Column, y: float, title: str, rows: Sequence[str], kind: str) -> Box:
        """A titled box of rows."""
        box = Box(column.x, y, column.width, _LINE * (len(rows) + 1) + PADDING)
        self._paper.box(box, kind)
        self._paper.write(box.x + PADDING, y + _LINE, title, "title")
        for number, text in enumerate(rows):
            self._paper.write(box.x + PADDING, _row(box, number) + 4, text)
        return box

    def _draw_bands(self, y: float) -> float:
        """One for each service that consumes; the end of the column."""
        for band in self._picture.bands:
            if band.consumers:
                y = self._band(band, y) + _LINE
        return y

    def _band(self, band: Band, top: float) -> float:
        y = top + 30
        delayed = []
        for one in band.consumers:
            queue, consumer = self._consumer(one, y)
            if one.has_delays:
                delayed.append((queue, consumer))
            y = consumer.bottom + _LINE
        if band.way_back is not None:
            y = self._ladder(band.rungs, band.way_back, y, delayed) + _LINE
        y = self._chips(y, [(queue, purpose) for queue, purpose in band.others], "box")
        left, right = self._queues.x - 2 * _BUS, self._consumers.right + 2 * _BUS
        self._paper.background(Box(left, top, right - left, y - top), "band")
        self._paper.write(left + PADDING, top + _LINE, band.service, "title")
        return y

    def _consumer(self, one: Consumer, y: float) -> tuple[Box, Box]:
        """With its queue, the wires that come to it, and its dead letters."""
        queue = self._chip(Box(self._queues.x, y, self._queues.width, 40), "queue", one.queue)
        self._paper.write(queue.x + PADDING, y + 32, one.queue_facts, "small")
        below = Box(queue.x + _INDENT, queue.bottom + 16, queue.width - _INDENT, 36)
        dead = self._chip(below, "dead", one.dead_letters)
        self._paper.write(dead.x + PADDING, dead.y + 29, one.dead_letter_facts, "small")
        facts = _facts(one)
        height = max(dead.bottom - y, 28 + 14 * len(facts))
        consumer = Box(self._consumers.x, y, self._consumers.width, height)
        self._paper.box(consumer, "box")
        self._paper.write(consumer.x + PADDING, y + 17, one.name, "title")
        for number, fact in enumerate(facts):
            self._paper.write(consumer.x + PADDING, y + 36 + 14 * number, fact, "small")
        self._paper.line([(queue.right, queue.middle), (consumer.x, queue.middle)], "flow")
        self._paper.line([(consumer.x, dead.middle), (dead.right, dead.middle)], "lost")
        self._paper.line([(dead.x + 16, queue.bottom), (dead.x + 16, dead.y)], "lost")
        for binding in self._picture.bindings:
            if binding.queue == one.queue:
                key = (binding.exchange, binding.routing_key)
                self._paper.wire(
                    self._leaves[key],
                    (queue.x, queue.y + 12),
                    self._colours[key],
                    straight=3 * _BUS,  # around the bands above
                )
        return queue, consumer

    def _ladder(
        self, rungs: Sequence[Rung], way_back: str, y: float, delayed: list[tuple[Box, Box]]
    ) -> float:
        """The rungs, the way down to them on the right, and the way back up on the left."""
        title = "waits, to be tried again"
        self._paper.write(self._queues.x, y + 8, title, "head")
        bottom = self._chips(y + 16, [(rung.queue, rung.facts) for rung in rungs], "wait")
        self._paper.write(self._queues.x, bottom + 8, _back_through(way_back), "head")
        down, to = self._consumers.right + _BUS, self._queues.x + width_of(title, "head") + 8
        for _, consumer in delayed:
            corner = (down, consumer.middle)
            self._paper.line([(consumer.right, consumer.middle), corner], "again", has_head=False)
        (first_queue, first_consumer), *_ = delayed
        self._paper.line([(down, first_consumer.middle), (down, y + 4), (to, y + 4)], "again")
        up = self._queues.x - _BUS
        back = [(self._queues.x - 4, bottom + 4), (up, bottom + 4), (up, first_queue.y + 30)]
        self._paper.line(back, "again", has_head=False)
        for queue, _ in delayed:
            self._paper.line([(up, queue.y + 30), (queue.x, queue.y + 30)], "again")
        return bottom + 12

    def _chips(self, y: float, chips: Iterable[tuple[str, str]], kind: str) -> float:
        """Queues side by side, in as many rows as it takes; the lower end."""
        x, height = self._queues.x, 0
        for queue, said in chips:
            height = 36 if said else 24
            width = _chip_width(queue, said)
            if x > self._queues.x and x + width > self._consumers.right:
                x, y = self._queues.x, y + height + 8
            box = self._chip(Box(x, y, width, height), kind, queue)
            if said:
                self._paper.write(x + PADDING, y + 29, said, "small")
            x = box.right + PADDING
        return y + height + 12

    def _chip(self, box: Box, kind: str, queue: str) -> Box:
        self._paper.box(box, kind)
        self._paper.write(box.x + PADDING, box.y + 16, queue)
        return box


def _facts(consumer: Consumer) -> list[str]:
    """In lines that aren't too long."""
    return [line for fact in consumer.facts for line in wrap(fact, _FACT)]


def _row(box: Box, number: int) -> float:
    """The height of a row's middle in a titled box."""
    return box.y + _LINE * (number + 2) - 4


def _announced(picture: Picture) -> Iterator[str]:
    for one in picture.announcements:
        yield one.service
        yield f"{one.name} v{one.version}"
    for _, key in picture.strangers:
        yield key


def _passing(picture: Picture) -> Iterator[str]:
    for name, kind in picture.exchanges:
        yield f"{name} ({kind})"
        yield from picture.keys(name)


def _widest(texts: Iterable[str], kind: str = "", *, at_least: float = 110) -> float:
    return max((at_least, *(width_of(text, kind) + 2 * PADDING for text in texts)))


def _widest_queue(picture: Picture) -> float:
    consumers = [one for band in picture.bands for one in band.consumers]
    dead = _widest((one.dead_letters for one in consumers), at_least=160)
    dead = _widest((one.dead_letter_facts for one in consumers), "small", at_least=dead)
    return _widest((one.queue_facts for one in consumers), "small", at_least=dead + _INDENT)


def _widest_consumer(picture: Picture) -> float:
    consumers = [one for band in picture.bands for one in band.consumers]
    names = _widest((one.name for one in consumers), at_least=160)
    facts = (fact for one in consumers for fact in _facts(one))
    return _widest(facts, "small", at_least=names)


def _widest_row(picture: Picture) -> float:
    chips = (
        chip
        for band in picture.bands
        for chip in (*((rung.queue, rung.facts) for rung in band.rungs), *band.others)
    )
    ways_back = (_back_through(band.way_back or "") for band in picture.bands)
    widths = (_chip_width(*chip) for chip in chips)
    return max((*widths, *(width_of(text, "head") for text in ways_back)), default=0)


def _back_through(exchange: str) -> str:
    return f"and comes back through {exchange}"


def _chip_width(queue: str, said: str) -> float:
    return max(width_of(queue), width_of(said, "small")) + 2 * PADDING
