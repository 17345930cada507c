"""Policies, definitions, permissions and drawings, as values."""

import pytest

from tests.unit.operations.topology.test_topology_difference import declared, holding, with_queue
from toolkit.operations.topology.definition import definitions, permissions
from toolkit.operations.topology.graph import live_mermaid, live_picture
from toolkit.operations.topology.live import Policy, policy_for
from toolkit.topology.declarations import TopologyMode
from toolkit.topology.live import LiveQueue


@pytest.mark.parametrize(
    ("pattern", "applies_to", "fits"),
    [
        ("migrating$", "queues", True),
        ("^shop", "all", True),
        ("^orders", "all", False),
        ("^shop", "exchanges", False),
        ("^shop", "quorum_queues", True),
        ("^shop", "classic_queues", False),
        ("(?<never closed", "all", True),
    ],
)
def test_a_policy_is_taken_to_fit_unless_it_surely_does_not(
    pattern: str, applies_to: str, *, fits: bool
) -> None:
    """By its pattern and by what it is for; one that can't be read may fit."""
    policy = Policy(pattern, applies_to, {"expires": 1})
    assert bool(policy_for("shop.handle.migrating", "quorum", [policy])) == fits


def test_definitions_are_the_whole_topology() -> None:
    """Each thing with its virtual host."""
    ours = declared()
    document = definitions(ours, "v")
    assert {one["name"] for one in document["queues"]} == {q.name for q in ours.topology.queues}
    assert len(document["bindings"]) == len(ours.topology.bindings)
    assert len(document["exchanges"]) == len(ours.topology.exchanges)
    things = (*document["queues"], *document["exchanges"], *document["bindings"])
    assert {one["vhost"] for one in things} == {"v"}
    assert document["vhosts"] == [{"name": "v"}]


@pytest.mark.parametrize("mode", ["declare", "check", "off"])
def test_a_service_that_declares_nothing_may_configure_nothing(mode: TopologyMode) -> None:
    """And neither write to queues, nor read from exchanges."""
    (granted,) = permissions(declared().services, virtual_host="/", user=None, mode=mode)[
        "permissions"
    ]
    assert (granted["configure"] == "^$") == (mode != "declare")
    assert ("events" in granted["read"]) == (mode == "declare")
    assert "shop\\.handle" in granted["read"]


def test_one_user_for_all_may_do_what_each_must() -> None:
    """In one line."""
    services = declared().services
    document = permissions([*services, *services], virtual_host="/", user="all", mode="check")
    assert [one["user"] for one in document["permissions"]] == ["all"]


def test_counts_are_drawn() -> None:
    """In the text and in the picture; what nobody declares is marked."""
    ours = declared()
    old = LiveQueue(name="shop.old", type="classic", ready=2)
    live = with_queue(holding(ours), LiveQueue(name="shop.handle", ready=5, consumers=2), old)
    text = live_mermaid(ours, live)
    assert '[("shop.handle<br/>quorum, 5 messages, 2 consumers")]' in text
    numbers = {line.split("[(")[0].strip() for line in text.splitlines() if "shop.old" in line}
    assert f"class {numbers.pop()} extra" in text
    (band,) = live_picture(ours, live).bands
    assert band.consumers[0].queue_facts == "quorum, 5 messages, 2 consumers"
    assert band.rungs[0].facts == "0 waiting"
