"""A backlog over time, as a PNG.

Receives the curves of a peak, by the number of consumers, and writes a file. matplotlib draws it,
which isn't needed for anything else, so it may be missing.
"""

from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import ConfigurationError

Curve = tuple[tuple[float, float], ...]


class NoMatplotlibError(ConfigurationError):
    """A PNG was asked for, and nothing here can draw one."""

    def __init__(self) -> None:
        super().__init__(
            "a PNG needs matplotlib",
            ["pip install matplotlib, or take --plot for the same in characters"],
        )


def draw(curves: Mapping[str, Curve], path: Path) -> None:
    """One line for each. Raises NoMatplotlibError, OSError."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only where it is asked for
    except ImportError as error:
        raise NoMatplotlibError from error
    picture = Figure(figsize=(9, 4.5), layout="constrained")
    place = picture.subplots()
    longest = max(curve[-1][0] for curve in curves.values())
    size, unit = _unit(longest)
    for name, curve in curves.items():
        place.plot([t / size for t, _ in curve], [backlog for _, backlog in curve], label=name)
    place.set_xlabel(f"{unit} from the beginning of the peak")
    place.set_ylabel("messages that wait")
    place.set_ylim(bottom=0)
    place.grid(alpha=0.3)
    place.legend()
    picture.savefig(path, dpi=100, format="png")


def _unit(seconds: float) -> tuple[float, str]:
    """The one in which so long a time is a number that one can read."""
    units = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
    return next(((size, name) for size, name in units if seconds >= 2 * size), (1.0, "seconds"))
