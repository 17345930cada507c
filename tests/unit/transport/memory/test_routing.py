"""Topic patterns, header tables, and the walk over exchanges."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transport.memory.broker import Bench
from toolkit.transport.memory import Fate
from toolkit.transport.memory.routing import Destination, topic_matches

ALPHABET = ("a", "b", "*", "#", "")


def naive(pattern: list[str], key: list[str]) -> bool:
    """The definition, word by word."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return naive(pattern[1:], key) or (bool(key) and naive(pattern, key[1:]))
    if not key:
        return False
    return pattern[0] in ("*", key[0]) and naive(pattern[1:], key[1:])


def split(text: str) -> list[str]:
    return text.split(".") if text else []


def spelled(alphabet: tuple[str, ...], most: int) -> set[str]:
    return {".".join(w) for n in range(most + 1) for w in product(alphabet, repeat=n)}


def test_every_small_pattern_against_every_small_key() -> None:
    """156 patterns of up to three words, 121 keys of up to four."""
    for pattern in spelled(ALPHABET, 3):
        for key in spelled(("a", "b", ""), 4):
            expected = naive(split(pattern), split(key))
            assert topic_matches(pattern, key) is expected, (pattern, key)


@given(
    st.lists(st.sampled_from(ALPHABET), max_size=8).map(".".join),
    st.lists(st.sampled_from(["a", "b", ""]), max_size=8).map(".".join),
)
def test_longer_patterns(pattern: str, key: str) -> None:
    """Random ones, against the same definition."""
    assert topic_matches(pattern, key) is naive(split(pattern), split(key))


def test_many_hashes_take_no_time() -> None:
    """The steps grow with pattern times key, not with two to the number of hashes."""
    assert topic_matches(".".join(["#", "a"] * 200), ".".join(["a"] * 400))
    assert not topic_matches(".".join(["#", "a"] * 200 + ["b"]), ".".join(["a"] * 400))


def test_ever_new_keys_leave_no_trace() -> None:
    """Only so many routes are remembered."""
    bench = Bench()
    bench.broker.declare_exchange("x", "topic")
    bench.queue()
    bench.bind("x", "q", "#")
    for number in range(10_000):
        bench.publish(exchange="x", queue=f"key.{number}")
        bench.broker.purge("q")
    assert len(bench.broker._routes) <= 4096


def test_a_remembered_route_is_forgotten_when_anything_changes() -> None:
    """Bindings, queues, exchanges."""
    bench = Bench()
    bench.broker.declare_exchange("x", "fanout")
    bench.queue("a")
    bench.queue("b")
    assert bench.publish(exchange="x") == [Fate.RETURNED]
    bench.bind("x", "a")
    assert bench.publish(exchange="x") == [Fate.CONFIRMED]
    bench.bind("x", "b")
    bench.publish(exchange="x")
    assert (bench.ready("a"), bench.ready("b")) == (2, 1)
    bench.broker.unbind("x", Destination("queue", "a"))
    bench.broker.delete_queue("b")
    assert bench.publish(exchange="x") == [Fate.RETURNED]


def test_a_headers_exchange_on_the_way_is_asked_each_time() -> None:
    """A route through one isn't remembered, because headers differ under one key."""
    bench = Bench()
    bench.broker.declare_exchange("x", "fanout")
    bench.broker.declare_exchange("h", "headers")
    bench.broker.bind("x", Destination("exchange", "h"))
    bench.queue()
    bench.broker.bind("h", Destination("queue", "q"), "", {"color": "red"})
    assert bench.publish(exchange="x", headers={"color": "red"}) == [Fate.CONFIRMED]
    assert bench.publish(exchange="x", headers={"color": "blue"}) == [Fate.RETURNED]
    assert bench.publish(exchange="x", headers={"color": "red"}) == [Fate.CONFIRMED]


def test_an_auto_delete_exchange_goes_with_its_last_binding() -> None:
    """But not before it has had one."""
    bench = Bench()
    bench.broker.declare_exchange("x", "fanout", is_auto_delete=True)
    assert "x" in bench.broker.exchanges
    bench.queue()
    bench.bind("x", "q")
    bench.broker.unbind("x", Destination("queue", "q"))
    assert "x" not in bench.broker.exchanges
