"""A picture as SVG: who announces, the exchanges, the queues, who consumes, from left to right.

Receives a picture, hands the text of an SVG document that needs nothing from elsewhere. All sizes
are in pixels; the width of text is that of a monospaced font.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from toolkit.operations.picture import Band, Picture, Taking

_CHARACTER = 7.3  # wide, at 12 px
_SMALL = 6.1  # wide, at 10 px
_LINE = 18
_MARGIN = 24
_PADDING = 10
_GAP = 128  # between columns: room for wires
_BUS = 16  # from a box to the line that goes around it
_WIRES = ("#2563eb", "#0d9488", "#9333ea", "#c2410c", "#4d7c0f", "#be185d", "#0369a1", "#7c2d12")

_STYLE = """
text { font: 12px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2937 }
.small { font-size: 10px; fill: #6b7280 } .title { font-weight: bold }
.head { font: 11px "DejaVu Sans", Helvetica, Arial, sans-serif; fill: #6b7280 }
.box { fill: #fff; stroke: #94a3b8 } .exchange { fill: #eff6ff; stroke: #60a5fa }
.queue { fill: #f8fafc; stroke: #475569 } .band { fill: #f9fafb; stroke: #e5e7eb }
.dead { fill: #fef2f2; stroke: #dc2626; stroke-dasharray: 4 3 }
.wait { fill: #fffbeb; stroke: #d97706; stroke-dasharray: 4 3 }
.stranger { fill: #fff; stroke: #cbd5e1; stroke-dasharray: 4 3 }
.wire { fill: none; stroke-width: 1.6 } .flow { fill: none; stroke: #475569 }
.again { fill: none; stroke: #d97706; stroke-dasharray: 4 3 }
.lost { fill: none; stroke: #dc2626; stroke-dasharray: 4 3 }
"""


def svg(picture: Picture) -> str:
    """The document."""
    return _Drawing(picture).text()


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(slots=True)
class _Paper:
    """What has been drawn: wires below, boxes above them."""

    below: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)

    def box(self, box: _Box, kind: str, radius: int = 5) -> None:
        self.above.append(
            f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="{radius}"/>'
        )

    def write(self, x: float, y: float, text: str, kind: str = "") -> None:
        named = f' class="{kind}"' if kind else ""
        self.above.append(f'<text{named} x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def line(self, points: Iterable[tuple[float, float]], kind: str, *, has_head: bool) -> None:
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        head = f' marker-end="url(#{kind})"' if has_head else ""
        self.below.append(f'<path class="{kind}" d="M{path}"{head}/>')

    def wire(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        colour: str,
        *,
        straight: float = 0,
    ) -> None:
        """From one to the other; the last part of it, of this length, goes straight ahead."""
        x, last = start[0], end[0] - straight
        bend = (last - x) / 2
        self.below.append(
            f'<path class="wire" stroke="{colour}" d="M{x:g} {start[1]:g} '
            f"C{x + bend:g} {start[1]:g} {last - bend:g} {end[1]:g} {last:g} {end[1]:g} "
            f'H{end[0]:g}"/>'
        )


class _Drawing:
    """Columns are placed once, then each fills itself from top to bottom."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._paper = _Paper()
        self._colours = {
            pair: _WIRES[number % len(_WIRES)]
            for number, pair in enumerate(
                (exchange, key)
                for exchange, _ in picture.exchanges
                for key in picture.keys(exchange)
            )
        }
        takings = [taking for band in picture.bands for taking in band.takings]
        self._announcing = _Column(_MARGIN, _widest(_announced(picture), at_least=90))
        self._exchanges = _Column(
            self._announcing.right + _GAP / 2, _widest(_passing(picture), at_least=110)
        )
        self._queues = _Column(self._exchanges.right + _GAP, _widest_queue(takings))
        self._consumers = _Column(self._queues.right + 60, _widest_consumer(takings))
        self._out: dict[tuple[str, str], tuple[float, float]] = {}
        self._right = self._consumers.right + 2 * _BUS + _MARGIN

    def text(self) -> str:
        """Draws all of it."""
        top = _MARGIN + 22
        heights = [self._announce(top), self._exchange(top), self._bands(top)]
        height = max(heights) + _MARGIN
        for column, title in (
            (self._announcing, "announced by"),
            (self._exchanges, "exchanges"),
            (self._queues, "queues, and their dead letters"),
            (self._consumers, "consumers"),
        ):
            self._paper.write(column.x, _MARGIN + 4, title, "head")
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._right:g}" '
                f'height="{height:g}" viewBox="0 0 {self._right:g} {height:g}" role="img">',
                f"<title>{escape(', '.join(band.service for band in self._picture.bands))}</title>",
                f"<style>{_STYLE}</style>",
                "<defs>",
                *(_arrow(*kind) for kind in _ARROWS),
                "</defs>",
                f'<rect width="{self._right:g}" height="{height:g}" fill="#fff"/>',
                *self._paper.below,
                *self._paper.above,
                "</svg>\n",
            )
        )

    def _announce(self, y: float) -> float:
        """One box for each service that announces something; the end of the column."""
        by_service: dict[str, list[tuple[str, str, str]]] = {}
        for one in self._picture.announcements:
            text = f"{one.name} v{one.version}"
            by_service.setdefault(one.service, []).append((one.exchange, one.name, text))
        for service, rows in by_service.items():
            y = self._list(self._announcing, y, service, rows, "box") + _LINE
        if self._picture.strangers:
            rows = [(exchange, key, key) for exchange, key in self._picture.strangers]
            y = self._list(self._announcing, y, "others", rows, "stranger") + _LINE
        return y

    def _exchange(self, y: float) -> float:
        """One box for each, with a row for each key; the end of the column."""
        incoming = dict(self._out)
        for name, kind in self._picture.exchanges:
            rows = [(name, key, key) for key in self._picture.keys(name)]
            end = self._list(self._exchanges, y, f"{name} ({kind})", rows, "exchange")
            for row in rows:
                pair = row[:2]
                if pair in incoming:
                    _, height = self._out[pair]
                    self._paper.wire(
                        incoming[pair], (self._exchanges.x, height), self._colours[pair]
                    )
            y = end + _LINE
        return y

    def _list(
        self, column: "_Column", y: float, title: str, rows: list[tuple[str, str, str]], kind: str
    ) -> float:
        """A titled box of rows, each of which remembers where it goes on; its lower end."""
        box = _Box(column.x, y, column.width, _LINE * (len(rows) + 1) + _PADDING)
        self._paper.box(box, kind)
        self._paper.write(box.x + _PADDING, y + _LINE, title, "title")
        for number, (exchange, key, text) in enumerate(rows, start=1):
            height = y + _LINE * (number + 1)
            self._paper.write(box.x + _PADDING, height, text)
            self._out[exchange, key] = (box.right, height - 4)
        return box.bottom

    def _bands(self, y: float) -> float:
        """One for each service that has queues; the end of the column."""
        for band in self._picture.bands:
            if band.takings:
                y = self._band(band, y) + _LINE
        return y

    def _band(self, band: Band, top: float) -> float:
        y = top + 30
        placed = []
        for taking in band.takings:
            queue, consumer = self._taking(taking, y)
            placed.append((queue, consumer))
            y = max(consumer.bottom, queue.bottom + 52) + _LINE
        if band.way_back is not None:
            y = self._ladder(band, y, placed) + _LINE
        y = self._chips(y, [(queue, purpose, "box") for queue, purpose in band.others])
        around = _Box(
            self._queues.x - 2 * _BUS,
            top,
            self._consumers.right - self._queues.x + 4 * _BUS,
            y - top,
        )
        self._paper.below.insert(0, _rectangle(around, "band"))
        self._paper.write(around.x + _PADDING, top + _LINE, band.service, "title")
        return around.bottom

    def _taking(self, taking: Taking, y: float) -> tuple[_Box, _Box]:
        queue = _Box(self._queues.x, y, self._queues.width, 40)
        self._paper.box(queue, "queue")
        self._paper.write(queue.x + _PADDING, y + 17, taking.queue)
        self._paper.write(queue.x + _PADDING, y + 32, taking.queue_facts, "small")
        dead = _Box(queue.x + 20, queue.bottom + 16, queue.width - 20, 36)
        self._paper.box(dead, "dead")
        self._paper.write(dead.x + _PADDING, dead.y + 15, taking.dead_letters)
        self._paper.write(dead.x + _PADDING, dead.y + 29, taking.dead_facts, "small")
        self._paper.line(
            [(queue.x + 36, queue.bottom), (queue.x + 36, dead.y)], "lost", has_head=True
        )
        height = max(92, 26 + 14 * len(taking.facts))
        consumer = _Box(self._consumers.x, y, self._consumers.width, height)
        self._paper.box(consumer, "box")
        self._paper.write(consumer.x + _PADDING, y + 17, taking.consumer, "title")
        for number, fact in enumerate(taking.facts):
            self._paper.write(consumer.x + _PADDING, y + 36 + 14 * number, fact, "small")
        self._paper.line(
            [(queue.right, queue.middle), (consumer.x, queue.middle)], "flow", has_head=True
        )
        for route in self._picture.routes:
            if route.queue == taking.queue:
                pair = (route.exchange, route.key)
                self._paper.wire(
                    self._out[pair],
                    (queue.x, queue.y + 12),
                    self._colours[pair],
                    straight=3 * _BUS,  # around the bands above
                )
        return queue, consumer

    def _ladder(self, band: Band, y: float, placed: list[tuple[_Box, _Box]]) -> float:
        """The rungs, the way down to them on the right, and the way back up on the left."""
        self._paper.write(self._queues.x, y + 8, "tried again, after", "head")
        rungs = [(rung.queue, rung.delay, "wait") for rung in band.rungs]
        bottom = self._chips(y + 16, rungs)
        back = f"and back through {band.way_back}"
        self._paper.write(self._queues.x, bottom + 8, back, "head")
        height = y + 4
        down = self._consumers.right + _BUS
        for _, consumer in placed:
            corner = (down, consumer.middle)
            self._paper.line([(consumer.right, consumer.middle), corner], "again", has_head=False)
        first = placed[0][1].middle
        last = [(down, first), (down, height), (self._queues.x + 150, height)]
        self._paper.line(last, "again", has_head=True)
        up = self._queues.x - _BUS
        start = [(self._queues.x - 4, bottom + 4), (up, bottom + 4)]
        self._paper.line([*start, (up, placed[0][0].y + 30)], "again", has_head=False)
        for queue, _ in placed:
            self._paper.line([(up, queue.y + 30), (queue.x, queue.y + 30)], "again", has_head=True)
        return bottom + 12

    def _chips(self, y: float, chips: list[tuple[str, str, str]]) -> float:
        """Queues side by side, in as many rows as it takes; the lower end."""
        x, limit = self._queues.x, self._consumers.right
        for queue, said, kind in chips:
            width = max(len(queue) * _CHARACTER, len(said) * _SMALL) + 2 * _PADDING
            if x > self._queues.x and x + width > limit:
                x, y = self._queues.x, y + 44
            box = _Box(x, y, width, 36)
            self._paper.box(box, kind, radius=18 if kind == "wait" else 5)
            self._paper.write(x + _PADDING, y + 15, queue)
            self._paper.write(x + _PADDING, y + 29, said, "small")
            self._right = max(self._right, box.right + 2 * _BUS + _MARGIN)
            x = box.right + 10
        return y + 48 if chips else y


@dataclass(frozen=True, slots=True)
class _Column:
    x: float
    width: float

    @property
    def right(self) -> float:
        return self.x + self.width


_ARROWS = (("flow", "#475569"), ("again", "#d97706"), ("lost", "#dc2626"))


def _arrow(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )


def _rectangle(box: _Box, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
        f'height="{box.height:g}" rx="8"/>'
    )


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


def _widest(texts: Iterable[str], *, at_least: float) -> float:
    widths = (len(text) * _CHARACTER + 2 * _PADDING for text in texts)
    return max((at_least, *widths))


def _widest_queue(takings: list[Taking]) -> float:
    dead = _widest((taking.dead_letters for taking in takings), at_least=160) + 20
    facts = max((len(taking.queue_facts) * _SMALL for taking in takings), default=0)
    return max(dead, facts + 2 * _PADDING)


def _widest_consumer(takings: list[Taking]) -> float:
    names = _widest((taking.consumer for taking in takings), at_least=160)
    facts = max((len(fact) * _SMALL for taking in takings for fact in taking.facts), default=0)
    return max(names, facts + 2 * _PADDING)
