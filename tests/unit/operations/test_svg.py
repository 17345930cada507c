"""The picture as SVG: what is in it, and that nothing covers anything."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from tests.unit.operations.market import (
    Bring,
    Listen,
    cart,
    described,
    drawn,
    in_memory,
    names_of,
    stall,
)
from toolkit import QueueOptions, Retry, Service
from toolkit.operations.paper import Box, width_of
from toolkit.operations.picture import Picture
from toolkit.operations.svg import svg

SVG = "{http://www.w3.org/2000/svg}"
LONG = "a-service-whose-name-is-as-long-as-the-name-of-a-service-may"


def long_name() -> Service:
    """Of the service, with a short one of its queue."""
    bring = Bring()
    bring.queue = QueueOptions(name="q")
    return Service(LONG, consumers=[bring], settings=in_memory())


def many_delays() -> Service:
    """In many rows, and in more than a line of facts."""
    bring = Bring()
    bring.retry = Retry.exponential(attempts=8, jitter=0.2)
    return cart(bring, Listen())


PICTURES = {
    "both": drawn(),
    "stall": drawn(stall()),
    "without delays": drawn(cart(Listen())),
    "long name": drawn(long_name()),
    "many delays": drawn(many_delays(), stall(), long_name()),
}
EACH = pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)


def parsed(picture: Picture) -> ElementTree.Element:
    """Raises for what is no XML."""
    return ElementTree.fromstring(svg(picture))


def boxes(root: ElementTree.Element) -> list[tuple[str, Box]]:
    """All but the ground, with their kinds."""
    return [
        (rect.attrib["class"], Box(*(float(rect.attrib[k]) for k in ("x", "y", "width", "height"))))
        for rect in root.iter(f"{SVG}rect")
        if "class" in rect.attrib
    ]


def texts(root: ElementTree.Element) -> list[tuple[str, Box]]:
    """All of them, with the space they take."""
    return [
        (
            text.text or "",
            Box(
                float(text.attrib["x"]),
                float(text.attrib["y"]) - 8,
                width_of(text.text or "", text.get("class", "")),
                8,
            ),
        )
        for text in root.iter(f"{SVG}text")
    ]


def is_within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.right <= outer.right
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom
    )


def is_over(one: Box, other: Box) -> bool:
    return (
        one.x < other.right
        and other.x < one.right
        and one.y < other.bottom
        and other.y < one.bottom
    )


def test_every_queue_exchange_and_consumer_is_in_it() -> None:
    """An exchange of the same name as its queue is drawn as one with it."""
    written = {text for text, _ in texts(parsed(drawn()))}
    named = {text.removesuffix(" (topic)").removesuffix(" (direct)") for text in written}
    named |= {text.rpartition("and comes back through ")[2] for text in written}
    assert names_of(stall(), cart()) <= named


def test_what_would_be_markup_is_text() -> None:
    """In names of consumers and in routing keys."""
    document = svg(drawn())
    assert 'Listen &amp; "learn" &lt;b&gt;' in document
    assert "a&lt;&amp;&gt;b" in document
    assert Listen.name in {text for text, _ in texts(parsed(drawn()))}


def test_a_wire_leads_from_each_publisher_and_to_each_queue() -> None:
    """The event by its own name and by the wildcard, the command, and what comes from others."""
    wires = [path for path in parsed(drawn()).iter(f"{SVG}path") if path.get("class") == "wire"]
    bindings = [
        b
        for b in described(cart())["cart"]["declares"]["bindings"]
        if b[0] in ("events", "commands")
    ]
    into_exchanges = 2 + 1 + 1
    assert len(wires) == into_exchanges + len(bindings)


def test_red_leads_to_the_dead_letters_and_orange_to_the_rungs_and_back() -> None:
    """Red from the queue and the consumer of both, orange only where there are delays."""
    kinds = [path.get("class") for path in parsed(drawn()).iter(f"{SVG}path")]
    assert kinds.count("lost") == 2 * 2
    assert kinds.count("again") == 4
    assert "again" not in [p.get("class") for p in parsed(drawn(cart(Listen()))).iter(f"{SVG}path")]


@EACH
def test_no_box_is_over_another(picture: Picture) -> None:
    """But those in a band."""
    for (kind, one), (other_kind, other) in combinations(boxes(parsed(picture)), 2):
        if "band" in (kind, other_kind) and kind != other_kind:
            band, inner = (one, other) if kind == "band" else (other, one)
            assert is_within(inner, band) or not is_over(inner, band)
        else:
            assert not is_over(one, other), (kind, one, other_kind, other)


@EACH
def test_every_text_fits_where_it_stands(picture: Picture) -> None:
    """In the box that it begins in, and beside all others."""
    root = parsed(picture)
    for text, space in texts(root):
        for kind, box in boxes(root):
            assert is_within(space, box) or not is_over(space, box), (text, kind)
    for (text, one), (other_text, other) in combinations(texts(root), 2):
        assert not is_over(one, other), (text, other_text)


@EACH
def test_all_of_it_is_on_the_paper(picture: Picture) -> None:
    """Whose size is that of the document."""
    root = parsed(picture)
    paper = Box(0, 0, float(root.attrib["width"]), float(root.attrib["height"]))
    assert all(is_within(box, paper) for _, box in (*boxes(root), *texts(root)))


def test_nothing_at_all_can_be_drawn() -> None:
    """A service without messages."""
    assert parsed(drawn(Service("quiet", settings=in_memory()))).find(f"{SVG}title") is not None
