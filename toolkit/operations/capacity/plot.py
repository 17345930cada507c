"""A backlog over time, drawn with characters.

Receives the curve of a peak, hands lines of text.
"""

from toolkit.operations.capacity.peak import at
from toolkit.operations.rates.words import duration

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def plot(points: tuple[tuple[float, float], ...], *, width: int = 64, height: int = 12) -> str:
    """Columns as high as the backlog; eight steps to a line."""
    end = points[-1][0]
    highest = max(backlog for _, backlog in points)
    if not end or not highest:
        return "no backlog"
    heights = [
        round(at(points, end * (n + 0.5) / width) / highest * height * 8) for n in range(width)
    ]
    labels = [f"{highest:,.0f}", *[""] * (height - 1)]
    margin = len(labels[0])
    rows = [
        f"{label.rjust(margin)} ┤{''.join(_part(one, height - 1 - n) for one in heights).rstrip()}"
        for n, label in enumerate(labels)
    ]
    left, right = "0s", duration(end)
    axis = f"{'0'.rjust(margin)} └{'─' * width}"
    return "\n".join([*rows, axis, f"{' ' * (margin + 2)}{left}{right.rjust(width - len(left))}"])


def _part(eighths: int, line: int) -> str:
    return _EIGHTHS[min(8, max(0, eighths - line * 8))]
