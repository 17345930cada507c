"""The picture as text for Mermaid."""

import re

import pytest

from tests.unit.operations.market import Listen, cart, drawn, names_of, stall
from toolkit.operations.mermaid import mermaid

UNESCAPED = {"#35;": "#", "#amp;": "&", "#quot;": '"', "#lt;": "<", "#gt;": ">"}


@pytest.fixture
def text() -> str:
    """Of two services that know each other."""
    return mermaid(drawn())


def labels(text: str) -> set[str]:
    """What is written, without the types of exchanges."""
    found = set()
    for label in re.findall(r'"([^"]*)"', text):
        name = label.partition("<br/>")[0]
        for entity, character in UNESCAPED.items():
            name = name.replace(entity, character)
        found.add(re.sub(r" \((topic|direct)\)$", "", name))
    return found


def test_every_queue_exchange_and_consumer_is_in_it(text: str) -> None:
    """An exchange of the same name as its queue is drawn as one with it."""
    assert names_of(stall(), cart()) <= labels(text)


def test_a_message_is_followed_from_who_publishes_it_to_its_dead_letters(text: str) -> None:
    """By the names of the nodes, each of which stands for one thing."""
    node = {label: name for name, label in re.findall(r'(\w+)[\[({/]+"([^"]*)"', text)}
    stall_, bus, queue = node["stall"], node["commands (direct)"], node["cart.bring"]
    for edge in (
        f'{stall_} -->|"cart.deliver v1"| {bus}',
        f'{bus} -->|"cart.deliver"| {queue}',
        f'{queue}[("cart.bring")] --> {node["Bring"]}["Bring"]',
        f'{node["Bring"]} -.->|"given up"| {node["cart.bring.dead"]}',
        f"{node['Bring']} -.-> {node['tried again']}",
        f"{node['tried again']} -.-> {node['cart.return']}",
        f"{node['cart.return']} -.-> {queue}",
    ):
        assert edge in text


def test_what_would_be_markup_is_text(text: str) -> None:
    """In names of consumers and in routing keys; only line breaks are markup."""
    assert "Listen #amp; #quot;learn#quot; #lt;b#gt;" in text
    assert "stall.#35;" in text
    assert "<" not in text.replace("<br/>", "")
    assert Listen.name in labels(text)


def test_every_block_that_begins_ends(text: str) -> None:
    """Or Mermaid draws nothing at all."""
    assert text.startswith("flowchart LR\n")
    words = [line.split()[0] for line in text.splitlines()]
    assert words.count("subgraph") == words.count("end") == 2
