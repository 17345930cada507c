"""Least-privilege patterns: what they grant, and what they don't. A broker holds them to it in
tests/operations.
"""

import re
import shlex

from hypothesis import given
from hypothesis import strategies as st

from toolkit.topology.declarations import Binding, Exchange, Queue, Topology
from toolkit.topology.permission import PERMISSIONS, Need, granting, needs_of, pattern_of

NAMES = st.text("abc-_.:@#,/*+()[]|$^?\\", min_size=1, max_size=12)


def needed(*parts: Exchange | Queue | Binding, consumed: tuple[str, ...] = ()) -> set[str]:
    return {str(need) for need in needs_of(Topology.of(parts), consumed, "declare")}


def test_a_queue_is_configured_and_copies_go_to_it_by_name() -> None:
    """Over the default exchange, which has a name in patterns."""
    assert needed(Queue("q")) == {
        "`configure` on queue 'q'",
        "`write` on exchange 'amq.default'",
    }


def test_a_dead_letter_exchange_takes_reading_the_queue_and_writing_there() -> None:
    """As the broker asks for when it is declared."""
    assert needed(Queue("q", dead_letter_exchange="x")) - needed(Queue("q")) == {
        "`read` on queue 'q'",
        "`write` on exchange 'x'",
    }


def test_the_default_exchange_for_dead_letters_counts_like_any_other() -> None:
    """Its name is empty, which isn't none."""
    assert needed(Queue("q", dead_letter_exchange="")) - needed(Queue("q")) == {
        "`read` on queue 'q'"
    }


def test_an_alternate_exchange_takes_reading_this_one_and_writing_there() -> None:
    """Likewise."""
    plain = needed(Exchange("x", "direct"))
    assert needed(Exchange("x", "direct", alternate="a")) - plain == {
        "`read` on exchange 'x'",
        "`write` on exchange 'a'",
    }


def test_a_binding_takes_writing_the_queue_and_reading_the_exchange() -> None:
    """And neither a permission to configure."""
    assert needed(Binding("x", "q", "key")) == {"`write` on queue 'q'", "`read` on exchange 'x'"}


def test_what_is_consumed_is_read_also_where_others_declare() -> None:
    """Nothing is configured then."""
    topology = Topology.of([Exchange("x", "topic"), Queue("q"), Binding("x", "q")])
    assert {str(need) for need in needs_of(topology, ["q"], "off")} == {
        "`write` on exchange 'x'",
        "`write` on exchange 'amq.default'",
        "`read` on queue 'q'",
    }


@given(st.sets(NAMES, min_size=1), NAMES)
def test_a_pattern_grants_the_names_and_nothing_else(names: set[str], other: str) -> None:
    """Whatever in them means something in a regular expression; the broker searches, too."""
    pattern = pattern_of([Need("write", "queue", name) for name in names], "write")
    assert all(re.search(pattern, name) for name in names)
    assert bool(re.search(pattern, other)) == (other in names)
    assert not any(
        re.search(pattern, f"x{name}") or re.search(pattern, f"{name}x") for name in names
    )


def test_what_is_not_needed_is_granted_to_nothing() -> None:
    """An empty pattern would do as well, but reads like a mistake."""
    assert pattern_of([], "configure") == "^$"


def test_the_command_line_survives_a_shell() -> None:
    """Names of virtual hosts and users are anybody's choice."""
    line = granting([Need("read", "queue", "a.b")], virtual_host="my shop", user="o'brien")
    words = shlex.split(line)
    assert words == [
        *("rabbitmqctl", "set_permissions", "-p", "my shop", "o'brien"),
        *("^$", "^$", r"^(a\.b)$"),
    ]
    assert len(PERMISSIONS) == 3
