"""What a drawing is made of: boxes, text, lines and wires, as elements of SVG.

Receives places from a drawing, hands the text of a document that needs nothing from elsewhere. All
sizes are in pixels; the width of text is that of a monospaced font.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

PADDING = 10
"""Between the edge of a box and what is written in it."""

Point = tuple[float, float]

_WIDTHS = {"": 7.3, "title": 7.3, "small": 6.1, "head": 6.2}
"""Of a character, by the kind of text."""

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
_HEADS = {"flow": "#475569", "again": "#d97706", "lost": "#dc2626"}
_ROUNDING = {"band": 8, "wait": 14}


def width_of(text: str, kind: str = "") -> float:
    """Of a text, without what is around it."""
    return len(text) * _WIDTHS[kind]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Halfway down."""
        return self.y + self.height / 2


@dataclass(slots=True)
class Paper:
    """What has been drawn: backgrounds, wires above them, boxes and text above all."""

    _backgrounds: list[str] = field(default_factory=list)
    _wires: list[str] = field(default_factory=list)
    _boxes: list[str] = field(default_factory=list)

    def background(self, box: Box, kind: str) -> None:
        """Below everything else."""
        self._backgrounds.append(_rectangle(box, kind))

    def box(self, box: Box, kind: str) -> None:
        """Hides the wires behind it."""
        self._boxes.append(_rectangle(box, kind))

    def write(self, x: float, y: float, text: str, kind: str = "") -> None:
        """`y` is what the letters stand on."""
        named = f' class="{kind}"' if kind else ""
        self._boxes.append(f'<text{named} x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def line(self, points: Iterable[Point], kind: str, *, has_head: bool = True) -> None:
        """From point to point, with an arrow's head at the last one."""
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        head = f' marker-end="url(#{kind})"' if has_head else ""
        self._wires.append(f'<path class="{kind}" d="M{path}"{head}/>')

    def wire(self, start: Point, end: Point, colour: str, *, straight: float = 8) -> None:
        """From one to the other; the last part of it, of this length, goes straight ahead."""
        (x, y), (end_x, end_y) = start, end
        last = end_x - straight
        bend = (last - x) / 2
        self._wires.append(
            f'<path class="wire" stroke="{colour}" d="M{x:g} {y:g} C{x + bend:g} {y:g} '
            f'{last - bend:g} {end_y:g} {last:g} {end_y:g} H{end_x - 4:g}"/>'
            f'<path fill="{colour}" d="M{end_x - 7:g} {end_y - 3.5:g} L{end_x:g} {end_y:g} '
            f'L{end_x - 7:g} {end_y + 3.5:g} z"/>'
        )

    def document(self, title: str, width: float, height: float) -> str:
        """All of it, as a file."""
        size = f'width="{width:g}" height="{height:g}"'
        space = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        return "\n".join(
            (
                f'<svg {space} {size} role="img">',
                f"<title>{escape(title)}</title>",
                f"<style>{_STYLE}</style>",
                f"<defs>{''.join(_head(*one) for one in _HEADS.items())}</defs>",
                f'<rect {size} fill="#fff"/>',
                *self._backgrounds,
                *self._wires,
                *self._boxes,
                "</svg>\n",
            )
        )


def _rectangle(box: Box, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
        f'height="{box.height:g}" rx="{_ROUNDING.get(kind, 5)}"/>'
    )


def _head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )
