"""The first minute, typed and timed: `make recordings`, or `python -m recordings`.

Receives nothing, hands pictures to docs/recordings and the clock's sentences to whoever watches.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recordings.picture import drawn
from recordings.terminal import Running, Terminal

PICTURES = Path(__file__).parents[1] / "docs" / "recordings"
_REQUEST = """toolkit publish payments.requested '{"reference": "A-1"}'"""


class Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.total = 0.0

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Times a step of the first minute."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.total += took
        print(f"{took:6.1f} s  {what}")


def save(name: str, title: str, *screens: Running) -> None:
    """Draws what these commands have shown."""
    (PICTURES / f"{name}.svg").write_text(drawn(screens, name=name, title=title))


def tell(folder: Path) -> None:
    """From an empty folder to a service that is edited while it runs."""
    clock = Clock()
    outside = Terminal(folder, _environment(), home=folder)
    with clock("a project with a service in it"):
        project = outside.run("toolkit new project shop")
        inside = Terminal(folder / "shop", _environment(), home=folder)
        service = inside.run("toolkit new service payments")
    save("new", "toolkit new", project, service)
    with clock("its checks"):
        checks = [inside.run(c) for c in ("pytest -q", "mypy --strict", "ruff check")]
    save("checks", "what was made is green", *checks)
    with clock("`toolkit dev`, an event, an edit, another event, and the end"):
        develop(inside, folder / "shop" / "services" / "payments" / "consumers.py")
    print(f"{clock.total:6.1f} s  in all")
    save("describe", "toolkit describe", inside.run("toolkit describe payments"))
    inside.run(f"toolkit describe --svg '{PICTURES / 'payments.svg'}'")


def develop(terminal: Terminal, consumers: Path) -> None:
    """`toolkit dev` in one terminal, `tap`, `publish` and `doctor` in others, and an editor."""
    with terminal.running("toolkit dev --broker memory") as dev:
        dev.shows("service started")
        with terminal.running("toolkit tap 'payments.*'") as tap:
            tap.shows("payments.*")
            published = terminal.run(_REQUEST)
            dev.shows("done")
            text = consumers.read_text()
            consumers.write_text(text.replace('"done", reference', '"paid", reference'))
            dev.shows("service started", times=2)
            terminal.run(_REQUEST)
            dev.shows("paid")
            tap.shows("payments.done", times=2)
            tap.interrupt()
        doctor = terminal.run("toolkit doctor", may_end_with=(0, 1))
        dev.interrupt()
    save("dev", "toolkit dev: an edit, and the next event meets it", dev)
    save("tap", "toolkit publish, and toolkit tap in another terminal", published, tap)
    save("doctor", "toolkit doctor", doctor)


def _environment() -> dict[str, str]:
    """A person's, with this interpreter's commands first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOOLKIT")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"}


def main() -> None:
    """Tells it in a folder that is gone afterwards."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        tell(Path(folder))


if __name__ == "__main__":
    main()
