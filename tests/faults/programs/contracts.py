"""What the programs of the bench say to one another."""

from typing import Literal

from toolkit import Event, Producer, Publishes

Fate = Literal["fine", "fails once", "fails"]


class Placed(Event, name="bench.placed"):
    number: str
    fate: Fate = "fine"


class Noted(Event, name="bench.noted"):
    number: str


class Press(Producer):
    # Required: that nobody listens must not pass for a confirm.
    placed = Publishes(Placed, required=True)
    noted = Publishes(Noted, required=True)
